import { writeFile } from 'node:fs/promises'
import { resolveMountPoint, topMount } from './mount-state.js'

/**
 * Lets the kernel read ahead further than the 128 KiB it starts with, so that sequential reads come as
 * requests of up to 1 MiB. Call it once the session has answered its first request: INIT sets the value back.
 * Takes root and sysfs; false where it cannot be done.
 */
export async function setReadahead(dir: string, bytes: number): Promise<boolean> {
  const mount = await topMount(await resolveMountPoint(dir))
  if (mount === undefined) return false
  try {
    await writeFile(`/sys/class/bdi/${mount.device}/read_ahead_kb`, String(Math.floor(bytes / 1024)))
    return true
  } catch {
    return false
  }
}
