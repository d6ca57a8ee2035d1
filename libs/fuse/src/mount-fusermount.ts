import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { FuseMountError } from './mount-error.js'
import type { FuseMountOptions } from './mount-options.js'
import { receiveDescriptor, socketPair } from './descriptor-passing.js'

/** Where the helper is looked for: fixed, so that a caller's PATH cannot put another program in its place. */
const SEARCH_PATH = '/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Mounts as an ordinary user: the set-user-ID `fusermount3` does it and passes the descriptor back. */
export async function mountByFusermount(dir: string, options: FuseMountOptions): Promise<number> {
  const [ours, theirs] = socketPair()
  try {
    const args = ['-o', mountOptions(options).map(escapeOption).join(','), '--', dir]
    // The helper sends the descriptor and exits; it waits in the socket until it is received.
    await runFusermount(args, theirs)
    return receiveDescriptor(ours)
  } finally {
    closeSync(ours)
    closeSync(theirs)
  }
}

/** Unmounts what this user mounted. */
export async function unmountByFusermount(dir: string, lazy: boolean): Promise<void> {
  await runFusermount([...(lazy ? ['-u', '-z'] : ['-u']), '--', dir])
}

/**
 * Aborts a connection of this user's, where the FUSE control filesystem is mounted (systemd does so); false
 * where it is not. `device` as in mountinfo.
 */
export async function abortByControlFile(device: string): Promise<boolean> {
  const connection = device.split(':')[1] ?? ''
  try {
    await writeFile(`/sys/fs/fuse/connections/${connection}/abort`, '1')
    return true
  } catch {
    return false
  }
}

function mountOptions(options: FuseMountOptions): string[] {
  const list = [options.readOnly === true ? 'ro' : 'rw', 'nosuid', 'nodev', `fsname=${options.fsname}`]
  if (options.subtype !== undefined) list.push(`subtype=${options.subtype}`)
  if (options.defaultPermissions !== false) list.push('default_permissions')
  if (options.allowOther === true) list.push('allow_other')
  if (options.readBytesMax !== undefined) list.push(`max_read=${options.readBytesMax}`)
  return list
}

/** `fusermount3` splits at commas unless a backslash stands before them. */
function escapeOption(option: string): string {
  return option.replace(/[\\,]/g, '\\$&')
}

function runFusermount(args: string[], commFd?: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('fusermount3', args, {
      // Never inherit a working directory that may lie in the mount.
      cwd: '/',
      stdio: commFd === undefined ? ['ignore', 'ignore', 'pipe'] : ['ignore', 'ignore', 'pipe', commFd],
      env: { PATH: SEARCH_PATH, ...(commFd === undefined ? {} : { _FUSE_COMMFD: '3' }) },
    })
    let complaint = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text))
    child.on('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new FuseMountError(cause.code ?? 'EIO', 'fusermount3 cannot be run: install the fuse3 package', {
          cause,
        }),
      )
    })
    child.on('close', (status) => {
      if (status === 0) resolve()
      else
        reject(
          new FuseMountError(
            complaintCode(complaint),
            complaint.trim() || `fusermount3 exited with ${status}`,
          ),
        )
    })
  })
}

/** `fusermount3` says what went wrong in English only. */
function complaintCode(complaint: string): string {
  if (/busy/i.test(complaint)) return 'EBUSY'
  if (/not connected/i.test(complaint)) return 'ENOTCONN'
  if (/permission denied|not permitted|no write access|user_allow_other/i.test(complaint)) return 'EACCES'
  if (/no such file/i.test(complaint)) return 'ENOENT'
  if (/not found in|invalid argument|not mounted/i.test(complaint)) return 'EINVAL'
  return 'EIO'
}
