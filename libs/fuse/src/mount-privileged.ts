import { closeSync, constants, openSync } from 'node:fs'
import { errnoName } from './errno.js'
import { callFilesystem, mount, umount2 } from './libc.js'
import { FuseMountError } from './mount-error.js'
import type { FuseMountOptions } from './mount-options.js'

const MS_RDONLY = 1
const MS_NOSUID = 2
const MS_NODEV = 4
const MNT_FORCE = 1
const MNT_DETACH = 2
const UMOUNT_NOFOLLOW = 8

/** Mounts by mount(2), which takes root. */
export async function mountPrivileged(dir: string, options: FuseMountOptions): Promise<number> {
  const fd = openDevice()
  const data = [
    `fd=${fd}`,
    'rootmode=40000',
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
  ]
  if (options.defaultPermissions !== false) data.push('default_permissions')
  if (options.allowOther === true) data.push('allow_other')
  if (options.readBytesMax !== undefined) data.push(`max_read=${options.readBytesMax}`)
  const type = options.subtype === undefined ? 'fuse' : `fuse.${options.subtype}`
  const flags = MS_NOSUID | MS_NODEV | (options.readOnly === true ? MS_RDONLY : 0)
  const errno = await callFilesystem(mount, options.fsname, dir, type, flags, data.join(','))
  if (errno === 0) return fd
  closeSync(fd)
  throw new FuseMountError(errnoName(errno), `mount ${dir}: ${errnoName(errno)}`)
}

/** Containers have no `/dev/fuse` unless they were given it. */
function openDevice(): number {
  try {
    return openSync('/dev/fuse', constants.O_RDWR)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO'
    throw new FuseMountError(code, `/dev/fuse cannot be opened: ${code}`, { cause })
  }
}

/** Aborts the connection: every request in flight fails, and whoever waits for one goes on. */
export async function abortPrivileged(dir: string): Promise<void> {
  // Fails with EBUSY while files are open, after it has aborted.
  await callFilesystem(umount2, dir, UMOUNT_NOFOLLOW | MNT_FORCE)
}

/** Unmounts by umount2(2); `lazy` detaches at once and lets go when the last user does. */
export async function unmountPrivileged(dir: string, lazy: boolean): Promise<void> {
  const errno = await callFilesystem(umount2, dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0))
  if (errno !== 0) throw new FuseMountError(errnoName(errno), `unmount ${dir}: ${errnoName(errno)}`)
}
