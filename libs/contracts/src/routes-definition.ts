import { z } from 'zod'
import type { ErrorCode } from './errors.js'

/** The verbs that routes use. */
export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * What a caller needs at least: nothing, a credential, or a credential of a role. Finer limits (agents, prefixes,
 * networks) are the decision function's; this is the first fence, and what the reference shows.
 */
export type Permission = 'public' | 'credential' | 'reader' | 'writer' | 'manager'

/** What a route takes: JSON; bytes as they are; or a sync body, MessagePack or JSON by content type. */
export type RouteBody =
  | { readonly kind: 'json'; readonly schema: z.ZodType; readonly bytesMax?: number }
  | { readonly kind: 'wire'; readonly schema: z.ZodType; readonly bytesMax?: number }
  | { readonly kind: 'bytes'; readonly description: string }

/** What a route answers with a status; without content for 204 and 304. */
export interface RouteAnswer {
  readonly description: string
  readonly schema?: z.ZodType
  /** `application/json` unless told; `wire` answers also come as MessagePack, by `Accept`. */
  readonly contentType?: string
  readonly wire?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

/** One route of the public surface: what the API mounts, the SDK calls and the reference documents. */
export interface Route {
  readonly operation: string
  readonly method: HttpMethod
  /** OpenAPI template; `{path}` stands for a whole path, percent-encoded by segment, no leading slash. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly permission: Permission
  readonly query?: z.ZodObject
  /** Request headers of its own, with what each does. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RouteBody
  /** Successful answers by status, the usual one first. */
  readonly answers: Readonly<Record<number, RouteAnswer>>
  readonly problems: readonly ErrorCode[]
}

/** Keeps the literal types of a table of routes. */
export function defineRoutes<const T extends Readonly<Record<string, Omit<Route, 'operation'>>>>(
  table: T,
): { readonly [K in keyof T]: T[K] & { readonly operation: K } } {
  const named: Record<string, Route> = {}
  for (const [operation, route] of Object.entries(table)) named[operation] = { ...route, operation }
  // The loop builds exactly this type; Object.entries cannot say so.
  return named as { readonly [K in keyof T]: T[K] & { readonly operation: K } }
}

/** A query parameter that is on or off. */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** Headers of every answer about a file. */
export const FILE_HEADERS = {
  ETag: 'The version id in double quotes; what If-Match and If-None-Match take.',
  'Agentfs-Epoch': 'The epoch of the agent this answer is true in.',
  'Agentfs-Seq': 'The seq of the agent this answer is true at.',
  'Agentfs-State': 'How far the version has come: acknowledged, or stored.',
} as const

/** Headers of sync routes, both ways. */
export const SYNC_HEADERS = {
  'Agentfs-Protocol': 'The version of the sync protocol that is spoken.',
} as const
