/** A Node program and its version, like `24.21.0`. */
export interface Runtime {
  readonly path: string
  readonly version: string
}

/** Where a program is to run. */
export type RuntimeChoice =
  { readonly kind: 'here' } | { readonly kind: 'pinned'; readonly path: string } | { readonly kind: 'none' }

/** The oldest Node that has all we use. */
export const NODE_VERSION_MIN = '22.13.0'

/**
 * The pinned Node is the one that everything was tested on, so any other major goes over to it. Without a pinned
 * one, a Node that is new enough does.
 */
export function chooseRuntime(running: Runtime, pinned: Runtime | undefined): RuntimeChoice {
  if (pinned !== undefined) {
    if (running.path === pinned.path || major(running.version) === major(pinned.version))
      return { kind: 'here' }
    return { kind: 'pinned', path: pinned.path }
  }
  return isAtLeast(running.version, NODE_VERSION_MIN) ? { kind: 'here' } : { kind: 'none' }
}

function major(version: string): number {
  return Number.parseInt(version, 10)
}

function isAtLeast(version: string, minimum: string): boolean {
  const [have, want] = [version, minimum].map((text) =>
    text.split('.').map((part) => Number.parseInt(part, 10)),
  )
  for (const [index, part] of (want ?? []).entries()) {
    const difference = (have?.[index] ?? 0) - part
    if (difference !== 0) return difference > 0
  }
  return true
}
