import { closeSync } from 'node:fs'
import { mountByFusermount, unmountByFusermount } from './mount-fusermount.js'
import { mountPrivileged, unmountPrivileged } from './mount-privileged.js'
import { mountState, resolveMountPoint } from './mount-state.js'
import { FuseMountError } from './mount-error.js'
import type { FuseMountOptions } from './mount-options.js'

/** A mounted connection to the kernel, not served yet: hand `fd` to a `FuseSession`. */
export interface FuseMount {
  readonly fd: number
  /** The mountpoint, absolute and without symlinks. */
  readonly dir: string
  /** Fails with `EBUSY` while something is open, unless `lazy`. The session then ends with `unmounted`. */
  unmount(options?: { lazy?: boolean }): Promise<void>
  /** Closes the descriptor, after the session and the notifier have ended. A mount still there turns dead. */
  close(): void
}

/**
 * Mounts on an existing folder. The kernel's first request waits in the descriptor; whoever touches the
 * folder before a session serves it, waits too. A dead mount of the same type is replaced.
 */
export async function mountFuse(dir: string, options: FuseMountOptions): Promise<FuseMount> {
  const privileged = options.privileged ?? isRoot()
  await cleanUpDeadMount(dir, options)
  const mountPoint = await resolveMountPoint(dir)
  const fd = await (privileged
    ? mountPrivileged(mountPoint, options)
    : mountByFusermount(mountPoint, options))
  return {
    fd,
    dir: mountPoint,
    unmount: ({ lazy = false } = {}) => unmountFuse(mountPoint, { lazy, privileged }),
    close: () => closeSync(fd),
  }
}

/** Unmounts whatever FUSE filesystem is on top of `dir`. */
export async function unmountFuse(
  dir: string,
  options: { lazy?: boolean; privileged?: boolean } = {},
): Promise<void> {
  const mountPoint = await resolveMountPoint(dir)
  const lazy = options.lazy ?? false
  if (options.privileged ?? isRoot()) await unmountPrivileged(mountPoint, lazy)
  else await unmountByFusermount(mountPoint, lazy)
}

/**
 * Detaches mounts on `dir` whose daemons are gone; true where there was one. Leaves alone live and hung
 * ones, and those of other types than `fuse.<subtype>`.
 */
export async function cleanUpDeadMount(
  dir: string,
  options: { subtype?: string; privileged?: boolean } = {},
): Promise<boolean> {
  const type = options.subtype === undefined ? 'fuse' : `fuse.${options.subtype}`
  let cleaned = false
  for (;;) {
    const state = await mountState(dir)
    if (state.kind !== 'dead' || state.mount.type !== type) return cleaned
    await unmountFuse(dir, { ...options, lazy: true })
    cleaned = true
  }
}

function isRoot(): boolean {
  if (process.platform !== 'linux') throw new FuseMountError('ENOSYS', 'FUSE mounts need Linux')
  return process.geteuid?.() === 0
}
