import type { Erasure } from '@agentfs/contracts'
import type { FastifyReply } from 'fastify'

/** Answers a deletion: 204 where all is done that was asked for, 202 with what became of it where something follows. */
export function deletionAnswer(reply: FastifyReply, erasure: Erasure | null): Erasure | undefined {
  const done = erasure === null || (erasure.ledger === 'stored' && erasure.keysShared === 0)
  void reply.code(done ? 204 : 202)
  return done ? undefined : erasure
}
