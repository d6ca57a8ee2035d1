import { AgentfsError, isUuid } from '@agentfs/contracts'
import type { NodeRef } from '@agentfs/engine'

/** The node of a parameter; what is no id names no node. */
export function nodeRef(node: string): NodeRef {
  if (!isUuid(node)) throw new AgentfsError('not_found', { node })
  return { node }
}
