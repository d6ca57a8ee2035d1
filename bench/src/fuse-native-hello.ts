import { createRequire } from 'node:module'
import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * fuse-native's own example, one readable file of 1 KB, as the peer that a Node program would be built on otherwise. Its
 * prebuilt library is looked for under a name that it does not have, so the loader gets a folder with a link.
 */
export function fuseNativeLibraryPath(scratch: string): string | undefined {
  try {
    const root = dirname(createRequire(import.meta.url).resolve('fuse-native/package.json'))
    mkdirSync(scratch, { recursive: true })
    symlinkSync(join(root, 'prebuilds/linux-x64/libfuse.so'), join(scratch, 'libfuse.so.2'))
    return scratch
  } catch {
    return undefined
  }
}
