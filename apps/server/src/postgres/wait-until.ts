import { setTimeout as delay } from 'node:timers/promises'

/** Looks again every `intervalMs` until the condition holds; false when `timeoutMs` have passed without. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, intervalMs = 10 }: { timeoutMs: number; intervalMs?: number },
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) return false
    await delay(intervalMs)
  }
  return true
}
