import { AgentfsError, uuid } from '@agentfs/contracts'
import { z } from 'zod'

const cursor = z.object({ e: z.int().min(0), s: z.int().min(0), a: uuid })

/** Where a snapshot stands: the address it started at, and the last node id of the page before. */
export interface SnapshotPosition {
  readonly epoch: number
  readonly seq0: number
  readonly after: string
}

/** A position as clients carry it. */
export function encodeSnapshotCursor({ epoch, seq0, after }: SnapshotPosition): string {
  return Buffer.from(JSON.stringify({ e: epoch, s: seq0, a: after })).toString('base64url')
}

/** The position of a cursor; `invalid_request` for anything else. */
export function decodeSnapshotCursor(text: string): SnapshotPosition {
  try {
    const { e, s, a } = cursor.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    return { epoch: e, seq0: s, after: a }
  } catch (cause) {
    throw new AgentfsError('invalid_request', { detail: 'the cursor is not one of ours' }, { cause })
  }
}
