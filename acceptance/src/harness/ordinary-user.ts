import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { run } from './process.js'
import { ROOT } from './service.js'

/** Debian's `nobody`. */
const NOBODY = 65_534

/**
 * A user without privileges. Where the tests run as root, commands go through `through` to become `nobody`, in a mount
 * namespace of its own where `/dev/fuse` is open to everybody, as udev makes it and containers often do not.
 */
export interface OrdinaryUser {
  readonly uid: number
  readonly through: readonly string[]
  /** Ends the namespace, and every mount in it. */
  close(): Promise<void>
}

const NAMESPACE = `
  mount --make-rprivate / &&
  mount -t tmpfs -o mode=755 none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse &&
  umount -l /mnt && echo ready && exec sleep infinity`

/** Makes one; throws, saying what is missing. */
export async function ordinaryUser(): Promise<OrdinaryUser> {
  const uid = process.getuid?.()
  if (uid === undefined) throw new Error('this system has no users')
  if (uid !== 0) return { uid, through: [], close: () => Promise.resolve() }
  const become = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups']
  const reached = await run('setpriv', [...become.slice(1), 'test', '-r', `${ROOT}/package.json`], {
    cwd: '/',
  })
  if (reached.code !== 0)
    throw new Error(`other users cannot read ${ROOT}: move the checkout, or test as one of them`)
  const holder = spawn('unshare', ['--mount', 'sh', '-c', NAMESPACE], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await Promise.race([
    once(createInterface({ input: holder.stdout }), 'line'),
    once(holder, 'exit').then(() => ['']),
  ])) as [string]
  if (line !== 'ready') throw new Error('no mount namespace could be made; the message stands above')
  return {
    uid: NOBODY,
    through: ['nsenter', '--target', `${holder.pid}`, '--mount', ...become],
    close: async () => {
      holder.kill('SIGKILL')
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit')
    },
  }
}
