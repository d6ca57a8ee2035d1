import { createHash } from 'node:crypto'
import type { TenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import {
  type Database,
  findStream,
  IMAGE_TABLES,
  ImageObjectsStore,
  type ImageRow,
  imageRows,
  type ImageTable,
  knownSegmentIds,
  ObjectRowsStore,
  RetentionStore,
  type StoredImageObject,
  type StreamRow,
  type TenantTransaction,
} from '@agentfs/storage'
import type { CrashPoints } from '../followers/crash-points.js'
import { type FollowerOptions, SYSTEM_CLOCK } from '../followers/follower-options.js'
import { treeKey } from '../followers/object-keys.js'
import { TenantObjects } from '../followers/tenant-objects.js'
import { KeyVault, type UsableKey } from '../keys/key-vault.js'
import type { Chore, ChoreRequest, ChoreStep } from '../maintenance/chore.js'
import { type ImagePage, sealImageHead, sealImagePage } from './image-format.js'

const ZERO_ID = '00000000-0000-0000-0000-000000000000'
/** A stream that grew by fewer commits since its last image is folded from there within seconds. */
const COMMITS_MIN = 20_000
/** What is held in memory at once. */
const PAGE_ROWS = 4_000
/** Extended attributes make a row of a few hundred bytes one of many thousands. */
const PAGE_BYTES = 8 << 20

/** What making images works on. */
export interface ImagesOptions extends FollowerOptions {
  /** Commits that make an image due; 20,000 unless told. */
  readonly commitsMin?: number
  /** Rows of a page; 4,000 unless told. */
  readonly pageRows?: number
  /** Bytes of a page before it is compressed, a row more or less; 8 MiB unless told. */
  readonly pageBytes?: number
  readonly crashPoints?: CrashPoints
}

/** An image on its way: what it is of, and the objects that were PUT so far. */
interface ImageDraft {
  readonly scope: TenantScope
  readonly agentId: string
  readonly imageId: string
  readonly stream: StreamRow
  readonly key: UsableKey
  readonly signal: AbortSignal | undefined
  readonly pages: ImagePage[]
  readonly stored: StoredImageObject[]
}

/**
 * Writes a sealed image of an agent's tree where its stream has grown a lot since the last one, so that a recovery folds only
 * what came after it. All pages are of one moment: one transaction reads them. Object rows are committed before the PUTs, the
 * head of the image is PUT last, and the newest two images stay: a crash anywhere leaves objects for the collector.
 */
export class ImagesChore implements Chore {
  readonly name = 'images'
  readonly counted = ['images', 'imageBytes', 'lost']
  readonly #database: Database
  readonly #agents: RetentionStore
  readonly #images: ImageObjectsStore
  readonly #objectRows: ObjectRowsStore
  readonly #objects: TenantObjects
  readonly #vault: KeyVault
  readonly #commitsMin: number
  readonly #pageLimits: { readonly rowsMax: number; readonly bytesMax: number }
  readonly #nowMs: () => number
  readonly #crashPoints: CrashPoints

  constructor(options: ImagesOptions) {
    const { database, resources, clock = SYSTEM_CLOCK } = options
    this.#database = database
    this.#agents = new RetentionStore(database)
    this.#images = new ImageObjectsStore(database)
    this.#objectRows = new ObjectRowsStore(database)
    this.#objects = new TenantObjects(resources)
    this.#vault = new KeyVault(database, resources)
    this.#commitsMin = options.commitsMin ?? COMMITS_MIN
    const { pageRows = PAGE_ROWS, pageBytes = PAGE_BYTES } = options
    this.#pageLimits = { rowsMax: pageRows, bytesMax: pageBytes }
    this.#nowMs = () => clock.now()
    this.#crashPoints = options.crashPoints ?? (() => undefined)
  }

  /** One agent; `resume` is the last that was looked at. */
  async step(scope: TenantScope, request: ChoreRequest): Promise<ChoreStep> {
    const { agentId: only, resume, dryRun, signal } = request
    const agent = await this.#agents.agent(scope, only ?? resume ?? ZERO_ID, only === null)
    if (agent === undefined) return { counts: {}, resume: null }
    const { agentId } = agent
    const next = only === null ? agentId : null
    const due = await this.#images.due(scope, agentId)
    if (due === undefined || due.headSeq - due.imagedSeq < this.#commitsMin)
      return { counts: {}, resume: next }
    if (dryRun) return { counts: { images: 1 }, resume: next }
    return { counts: await this.#write(scope, agentId, signal), resume: next }
  }

  async #write(
    scope: TenantScope,
    agentId: string,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, number>> {
    const stored: StoredImageObject[] = []
    try {
      const written = await this.#database.withTenant(scope, async (tx) => {
        await tx.query`set transaction isolation level repeatable read, read only`
        const stream = await findStream(tx, agentId)
        const key = stream === undefined ? undefined : (await this.#vault.load(tx, [stream.keyId])).values()
        const [usable] = key ?? []
        // Erased with its agent, or gone.
        if (stream === undefined || usable === undefined) return false
        const draft = { scope, agentId, imageId: uuidv7(), stream, key: usable, signal, pages: [], stored }
        await this.#writePages(tx, draft)
        await this.#writeHead(tx, draft)
        return true
      })
      if (!written) return {}
    } catch (error) {
      const ids = stored.map(({ objectId }) => objectId)
      await this.#objectRows.giveUp(scope, ids, this.#now()).catch(() => undefined)
      throw error
    }
    await this.#crashPoints('segment-put')
    const published = await this.#images.publish(scope, agentId, stored, this.#now())
    await this.#crashPoints('switched')
    if (!published) return { lost: 1 }
    return { images: 1, imageBytes: stored.reduce((sum, { size }) => sum + size, 0) }
  }

  async #writePages(tx: TenantTransaction, draft: ImageDraft): Promise<void> {
    for (const table of IMAGE_TABLES) {
      let after: ImageRow | undefined
      do {
        draft.signal?.throwIfAborted()
        const rows: ImageRow[] = await imageRows(tx, draft.agentId, table, after, this.#pageLimits)
        if (rows.length > 0) await this.#writePage(draft, table, rows)
        after = rows.at(-1)
      } while (after !== undefined)
    }
  }

  async #writePage(draft: ImageDraft, table: ImageTable, rows: readonly ImageRow[]): Promise<void> {
    const { scope, key, imageId, pages } = draft
    const id = uuidv7()
    const { sealed, page } = sealImagePage(scope.tenantId, key, imageId, { id, table, rows })
    await this.#put(draft, id, sealed)
    pages.push(page)
  }

  async #writeHead(tx: TenantTransaction, draft: ImageDraft): Promise<void> {
    const { scope, agentId: agent, imageId: image, key, stream, pages } = draft
    const { epoch, headSeq: seq, merkleSize: size, merkleRange } = stream
    const log = { size, range: Buffer.from(merkleRange).toString('hex') }
    const segments = await knownSegmentIds(tx, agent)
    const at = this.#now().toISOString()
    const head = { v: 1, image, agent, epoch, seq, at, log, segments, pages } as const
    await this.#put(draft, image, sealImageHead(scope.tenantId, key, head))
  }

  async #put(draft: ImageDraft, objectId: string, sealed: Uint8Array): Promise<void> {
    const { scope, agentId, imageId, stream, stored, signal } = draft
    const objectKey = treeKey(scope, agentId, imageId, objectId)
    const range = { epoch: stream.epoch, firstSeq: stream.headSeq, lastSeq: stream.headSeq }
    const object = { objectId, streamId: agentId, kind: 'tree' as const, objectKey, ...range }
    await this.#objectRows.insertWriting(scope, [object], this.#now())
    stored.push({ objectId, size: sealed.length, checksum: createHash('sha256').update(sealed).digest() })
    await this.#crashPoints('claimed')
    await this.#objects.create(scope, objectKey, sealed, signal)
  }

  #now(): Date {
    return new Date(this.#nowMs())
  }
}
