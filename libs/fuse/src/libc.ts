import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'

// The handful of libc calls that Node lacks. `koffi.load(null)` finds them in the libc the process already
// runs on, glibc or musl. koffi is CommonJS and loads a native addon: `require` it, once per thread.
const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi

const libc = koffi.load(null)

type Libc<Arguments extends unknown[]> = ((...args: Arguments) => number) & {
  async: (...args: [...Arguments, (error: unknown, result: number) => void]) => void
}

function bind<Arguments extends unknown[]>(prototype: string): Libc<Arguments> {
  return libc.func(prototype)
}

/**
 * Runs a call that may wait on a filesystem away from this thread, and answers its error number, 0 for
 * success. Errno of the other thread is out of reach, so a call that failed is made again here: by then it
 * fails at once, or succeeds.
 */
export async function callFilesystem<Arguments extends unknown[]>(
  call: Libc<Arguments>,
  ...args: Arguments
): Promise<number> {
  const result = await new Promise<number>((resolve, reject) => {
    call.async(...args, (error, value) => (error instanceof Error ? reject(error) : resolve(value)))
  })
  if (result === 0) return 0
  return call(...args) === 0 ? 0 : lastErrno()
}

/** Where a buffer's bytes are, for structures that hold pointers; good as long as the buffer is referenced. */
export const addressOf = (buffer: Uint8Array): bigint => koffi.address(buffer)

/** The error number of the last failed call on this thread. */
export const lastErrno = (): number => koffi.errno()

/** `fds`: pairs of words per descriptor, the second one `events` (low 16 bits) and `revents` (high 16). */
export const poll = bind<[Int32Array, number, number]>(
  'int poll(void *fds, unsigned long count, int timeoutMs)',
)

export const read = bind<[number, Uint8Array, number]>('long read(int fd, void *buffer, size_t size)')

export const write = bind<[number, Uint8Array, number]>('long write(int fd, const void *buffer, size_t size)')

export const schedYield = bind<[]>('int sched_yield()')

export const eventfd = bind<[number, number]>('int eventfd(unsigned int initial, int flags)')

// Variadic in C: the type of the last argument travels with each call.
const fcntl = bind<[number, number, 'int', number]>('int fcntl(int fd, int command, ...)')
const F_GETFL = 3
const F_SETFL = 4

/** Adds status flags (`O_NONBLOCK`) to a descriptor. */
export function addStatusFlags(fd: number, flags: number): void {
  fcntl(fd, F_SETFL, 'int', fcntl(fd, F_GETFL, 'int', 0) | flags)
}

export const mount = bind<[string, string, string, number, string]>(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
)

export const umount2 = bind<[string, number]>('int umount2(const char *target, int flags)')

export const socketpair = bind<[number, number, number, Int32Array]>(
  'int socketpair(int domain, int type, int protocol, void *pair)',
)

export const recvmsg = bind<[number, Uint8Array, number]>(
  'long recvmsg(int socket, void *message, int flags)',
)
