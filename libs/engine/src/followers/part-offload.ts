import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import { ObjectRowsStore, type PackableStream, PartOffloadStore } from '@agentfs/storage'
import { type FollowerOptions, SYSTEM_CLOCK } from './follower-options.js'
import { partKey } from './object-keys.js'
import { type PackPlan, PACK_BYTES_MAX } from './pack-plan.js'
import { TenantObjects } from './tenant-objects.js'

/** A commit above this has its larger parts stored one by one; below, it makes one large segment. */
const COMMIT_BYTES_MAX = 2 * PACK_BYTES_MAX
const PART_BYTES_MIN = 64 * 1024

/**
 * Commits are never cut, and segments are built in memory: so of a commit that is too large for that (its parts were staged
 * while the object store was down, say) the large parts get objects of their own first, as uploaded parts have.
 */
export class PartOffload {
  readonly #parts: PartOffloadStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #now: () => Date

  constructor({ database, resources, clock = SYSTEM_CLOCK }: FollowerOptions) {
    this.#parts = new PartOffloadStore(database)
    this.#objectRows = new ObjectRowsStore(database)
    this.#objects = new TenantObjects(resources)
    this.#now = () => new Date(clock.now())
  }

  /** Stores the large parts of an oversized plan; each is a step of its own, and one that was done stays done. */
  async offload(
    scope: TenantScope,
    stream: PackableStream,
    plan: PackPlan,
    signal?: AbortSignal,
  ): Promise<{ bytes: number; puts: number }> {
    const done = { bytes: 0, puts: 0 }
    if (plan.bytes <= COMMIT_BYTES_MAX || stream.kind !== 'agent' || stream.agentId === null) return done
    const { agentId } = stream
    const parts = await this.#parts.largeParts(scope, agentId, plan.epoch, plan.firstSeq, PART_BYTES_MIN)
    for (const part of parts) {
      signal?.throwIfAborted()
      const sealed = await this.#parts.sealedPart(scope, agentId, part.partId)
      if (sealed === undefined) continue
      const objectId = uuidv7()
      const objectKey = partKey(scope, agentId, part.partId, objectId)
      const { epoch } = plan
      const object = { objectId, streamId: stream.streamId, kind: 'part', objectKey, epoch } as const
      const row = { ...object, firstSeq: part.seq, lastSeq: part.seq }
      await this.#objectRows.insertWriting(scope, [row], this.#now())
      try {
        await this.#objects.create(scope, objectKey, sealed, signal)
      } catch (error) {
        await this.#objectRows.giveUp(scope, [objectId], this.#now()).catch(() => undefined)
        throw error
      }
      const checksum = createHash('sha256').update(sealed).digest()
      await this.#parts.switchToObject(scope, stream, { objectId, checksum, part }, this.#now())
      done.bytes += sealed.length
      done.puts++
    }
    return done
  }
}
