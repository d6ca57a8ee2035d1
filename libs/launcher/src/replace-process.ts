import { environment } from './config.js'

/** Descriptor that the new program reads the secrets from; 0 to 2 are the standard ones. */
export interface Replacement {
  readonly path: string
  readonly args: readonly string[]
  /** Written to a pipe, whose number the new program finds in the variable named `secretVariable`. */
  readonly secret: string
  readonly secretVariable: string
}

const F_SETFD = 2

/**
 * Becomes another program, keeping process id, terminal, standard streams and parent, as `exec` in a shell does:
 * signals and exit code then need no passing on, and no second process stays in memory. Node 20 has no call for
 * it, so libc's is used. Returns only where that is not possible.
 */
export async function replaceProcess({ path, args, secret, secretVariable }: Replacement): Promise<void> {
  try {
    const { default: koffi } = await import('koffi')
    const libc = koffi.load(null)
    const call = (prototype: string, ...values: unknown[]): number => Number(libc.func(prototype)(...values))
    const pipe = new Int32Array(2)
    if (call('int pipe(int *ends)', pipe) !== 0) return
    const [readEnd = -1, writeEnd = -1] = pipe
    const bytes = Buffer.from(secret)
    // A pipe holds 64 KiB unread; a command line's secrets are far below.
    call('long write(int fd, const void *bytes, size_t size)', writeEnd, bytes, bytes.length)
    call('int close(int fd)', writeEnd)
    // Node marks the standard streams close-on-exec at its start.
    for (const fd of [0, 1, 2]) call('int fcntl(int fd, int command, ...)', fd, F_SETFD, 'int', 0)
    const variables = { ...environment(), [secretVariable]: String(readEnd) }
    call(
      'int execve(const char *path, const char **argv, const char **envp)',
      path,
      [...args, null],
      [...Object.entries(variables).map(([name, value]) => `${name}=${value}`), null],
    )
    call('int close(int fd)', readEnd)
  } catch {
    // No prebuilt koffi for this platform: the caller runs the program as a child instead.
  }
}
