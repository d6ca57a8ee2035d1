import type { WriteAnswer } from '@agentfs/contracts'
import type { FastifyReply } from 'fastify'

/** What every answer about a file says of it. */
export interface FileFacts {
  readonly version: string | null
  readonly seq: number
  readonly epoch: number
  readonly state: WriteAnswer['state']
}

/** Sets ETag, Agentfs-Seq, Agentfs-Epoch and Agentfs-State, and gives the answer on. */
export function withFileHeaders<T extends FileFacts>(reply: FastifyReply, facts: T): T {
  if (facts.version !== null) reply.header('etag', `"${facts.version}"`)
  reply
    .header('agentfs-seq', String(facts.seq))
    .header('agentfs-epoch', String(facts.epoch))
    .header('agentfs-state', facts.state)
  return facts
}
