import type { TenantScope } from '@agentfs/access'
import type { CommitFrame, StreamRecord } from '@agentfs/contracts'
import type { RecordReader } from '../streams/record-reader.js'

/** Reads commits back out of an agent's records. */
export class CommitReader {
  readonly #records: RecordReader

  constructor(records: RecordReader) {
    this.#records = records
  }

  /** Commits of one epoch after a seq, in order, without gaps. */
  async after(
    scope: TenantScope,
    agentId: string,
    epoch: number,
    since: number,
    limit: number,
  ): Promise<CommitFrame[]> {
    return (await this.#records.after(scope, agentId, epoch, since, limit)).map(frameOf)
  }
}

function frameOf(record: StreamRecord): CommitFrame {
  return {
    epoch: record.epoch,
    seq: record.seq,
    at: record.at,
    delta: record.delta ?? { nodes: [], entries: [], aliases: [], versions: [] },
    ...(record.push === undefined ? {} : { store: record.push.store, pushNumber: record.push.number }),
  }
}
