import type { NodeImage, WriteAnswer } from '@agentfs/contracts'
import type { AgentRow, NodeRow } from '@agentfs/storage'
import { displayPath } from '../commit/display-path.js'
import type { AppliedCommit } from '../commit/apply-commit.js'
import type { CommitOutcome } from '../commit/commit.js'

/** What a commit made of a node, for its writer; `path` where the tree has no better one. */
export function answerOf(
  outcome: CommitOutcome & { readonly applied: AppliedCommit },
  agent: AgentRow,
  nodeId: string,
  path: string,
): WriteAnswer {
  const { tree } = outcome.applied
  const id = tree.resolve(nodeId)
  const image: NodeImage | undefined = tree.node(id)
  return {
    node: id,
    path: displayPath(tree, id, agent.rootId) ?? path,
    version: image?.version ?? null,
    number: image?.number ?? 0,
    seq: outcome.seq,
    epoch: outcome.epoch,
    state: 'acknowledged',
    receipt: outcome.receipt,
  }
}

/** The answer where nothing had to change. */
export function unchangedAnswer(
  node: NodeRow,
  path: string,
  head: { readonly epoch: number; readonly stored: boolean },
): WriteAnswer {
  return {
    node: node.nodeId,
    path,
    version: node.headVersion,
    number: node.number,
    seq: node.seq,
    epoch: head.epoch,
    state: head.stored ? 'stored' : 'acknowledged',
    receipt: null,
  }
}
