import { accountRoutes } from './routes-accounts.js'
import type { Route } from './routes-definition.js'
import { fileRoutes } from './routes-files.js'
import { serviceRoutes } from './routes-service.js'
import { syncRoutes } from './routes-sync.js'

export * from './routes-accounts.js'
export * from './routes-definition.js'
export * from './routes-files.js'
export * from './routes-queries.js'
export * from './routes-service.js'
export * from './routes-sync.js'

/** Every route of the service, by operation id. */
export const routes = { ...accountRoutes, ...fileRoutes, ...syncRoutes, ...serviceRoutes } as const

/** The id of an operation. */
export type OperationId = keyof typeof routes

/** The routes in the order of the reference. */
export function listRoutes(): readonly Route[] {
  return Object.values<Route>(routes)
}

/**
 * The path of a route with its parameters filled in, each percent-encoded; `{path}` is encoded by segment.
 * `pathOf(routes.fileRead, {agent: 'a', path: 'notes/a b.md'})` is `/v1/agents/a/files/notes/a%20b.md`.
 */
export function pathOf(
  route: Pick<Route, 'path'>,
  parameters: Readonly<Record<string, string>> = {},
): string {
  return route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name] ?? ''
    return name === 'path' ? value.split('/').map(encodeURIComponent).join('/') : encodeURIComponent(value)
  })
}
