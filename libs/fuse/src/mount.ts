import { closeSync } from 'node:fs'
import { abortByControlFile, mountByFusermount, unmountByFusermount } from './mount-fusermount.js'
import { abortPrivileged, mountPrivileged, unmountPrivileged } from './mount-privileged.js'
import { mountState, resolveMountPoint, topMount } from './mount-state.js'
import { FuseMountError } from './mount-error.js'
import type { FuseMountOptions } from './mount-options.js'

/** A mounted connection to the kernel, not served yet: hand `fd` to a `FuseSession`. */
export interface FuseMount {
  readonly fd: number
  /** The mountpoint, absolute and without symlinks. */
  readonly dir: string
  /** Fails with `EBUSY` while something is open, unless `lazy`. The session then ends. */
  unmount(options?: Omit<FuseUnmountOptions, 'privileged'>): Promise<void>
  /** Closes the descriptor, after the session and the notifier have ended. A mount still there turns dead. */
  close(): void
}

/**
 * Mounts on an existing folder. The kernel's first request waits in the descriptor; whoever touches the
 * folder before a session serves it, waits too. A dead mount of the same type is replaced.
 */
export async function mountFuse(dir: string, options: FuseMountOptions): Promise<FuseMount> {
  const privileged = options.privileged ?? isRoot()
  await cleanUpDeadMount(dir, { ...options, force: false })
  const mountPoint = await resolveMountPoint(dir)
  const fd = await (privileged
    ? mountPrivileged(mountPoint, options)
    : mountByFusermount(mountPoint, options))
  return {
    fd,
    dir: mountPoint,
    unmount: (how = {}) => unmountFuse(mountPoint, { ...how, privileged }),
    close: () => closeSync(fd),
  }
}

/** How to unmount. */
export interface FuseUnmountOptions {
  /** Detach at once, and let go when the last user does; otherwise `EBUSY` while something is open. */
  lazy?: boolean
  /**
   * Abort the connection first: requests in flight fail with `ECONNABORTED`, and the session ends with
   * `aborted`. The only way on when a notification waits for a request that nobody will answer. Data the
   * kernel has not written yet is lost. Implies `lazy`.
   */
  force?: boolean
  privileged?: boolean
}

/** Unmounts whatever FUSE filesystem is on top of `dir`. */
export async function unmountFuse(dir: string, options: FuseUnmountOptions = {}): Promise<void> {
  const mountPoint = await resolveMountPoint(dir)
  const lazy = options.lazy === true || options.force === true
  if (options.privileged ?? isRoot()) {
    if (options.force === true) await abortPrivileged(mountPoint)
    await unmountPrivileged(mountPoint, lazy).catch(ignoreGone(options))
  } else {
    const mount = options.force === true ? await topMount(mountPoint) : undefined
    if (mount !== undefined) await abortByControlFile(mount.device)
    await unmountByFusermount(mountPoint, lazy)
  }
}

/** A forced unmount that found nothing open has unmounted in its first step. */
function ignoreGone(options: FuseUnmountOptions): (error: unknown) => void {
  return (error) => {
    if (options.force === true && error instanceof FuseMountError && error.code === 'EINVAL') return
    throw error
  }
}

/**
 * Detaches mounts on `dir` whose daemons are gone; true where there was one. Leaves alone live ones, and
 * those of other types than `fuse.<subtype>`; hung ones too, unless `force`, for which the caller must know
 * that the daemon is gone (see `processIsGone`).
 */
export async function cleanUpDeadMount(
  dir: string,
  options: { subtype?: string; privileged?: boolean; force?: boolean } = {},
): Promise<boolean> {
  const type = options.subtype === undefined ? 'fuse' : `fuse.${options.subtype}`
  const { force = false } = options
  let cleaned = false
  for (;;) {
    const state = await mountState(dir)
    const unused = state.kind === 'dead' || (state.kind === 'hung' && force)
    if (!unused || state.mount.type !== type) return cleaned
    await unmountFuse(dir, { ...options, lazy: true, force: state.kind === 'hung' })
    cleaned = true
  }
}

function isRoot(): boolean {
  if (process.platform !== 'linux') throw new FuseMountError('ENOSYS', 'FUSE mounts need Linux')
  return process.geteuid?.() === 0
}
