import type { TenantScope } from '@agentfs/access'
import type { Name } from '@agentfs/contracts'
import type { AgentHead, NodeRow } from '@agentfs/storage'
import type { NodeRef } from '../api/files-api.js'
import { RecentMap } from './recent-map.js'
import { rowWeight } from './row-weight.js'

/** What a version's content is read by: parts and keys, or those of its pages. */
export interface ContentIds {
  readonly versionId: string
  readonly partIds: readonly string[]
  readonly keyIds: readonly string[]
}

/** What a path led to, or where a node was, at one head of its agent; with what its content is read by, once it was read. */
export interface KnownPlace {
  readonly head: AgentHead
  readonly node: NodeRow
  readonly names: readonly Name[]
  readonly content?: ContentIds
}

/** Places of nodes without extended attributes; with them there are fewer. */
const PLACES_MAX = 10_000
/** Parts of a file beyond which asking for them ahead is not worth its query. */
const PARTS_MAX = 16

/**
 * Where things were when they were last looked up. True for as long as the agent's head is the one it was then, which has to
 * be asked each time; at another head it is a guess.
 */
export class KnownPlaces {
  readonly #places = new RecentMap<KnownPlace>(PLACES_MAX, ({ node }) => rowWeight(node))

  get(scope: TenantScope, agentId: string, ref: NodeRef): KnownPlace | undefined {
    return this.#places.get(nameOf(scope, agentId, ref))
  }

  /** Notes what a look-up found. `head` must have been read before the place was: later it may be ahead of it. */
  set(scope: TenantScope, agentId: string, ref: NodeRef, place: Omit<KnownPlace, 'content'>): void {
    const name = nameOf(scope, agentId, ref)
    const content = this.#places.get(name)?.content
    const stands = content !== undefined && content.versionId === place.node.headVersion
    this.#places.set(name, stands ? { ...place, content } : place)
  }

  /** Notes what the content of a place is read by, where the place still has that version. */
  setContent(scope: TenantScope, agentId: string, ref: NodeRef, content: ContentIds): void {
    const name = nameOf(scope, agentId, ref)
    const place = this.#places.get(name)
    if (place?.node.headVersion !== content.versionId || content.partIds.length > PARTS_MAX) return
    this.#places.set(name, { ...place, content })
  }
}

/** Heads of the same agent with nothing committed between them. */
export function isSameHead(one: AgentHead, other: AgentHead): boolean {
  return (
    one.epoch === other.epoch &&
    one.headSeq === other.headSeq &&
    one.headAt?.getTime() === other.headAt?.getTime()
  )
}

function nameOf({ tenantId }: TenantScope, agentId: string, ref: NodeRef): string {
  return `${tenantId}/${agentId}/${'path' in ref ? `path/${ref.path}` : `node/${ref.node}`}`
}
