import type { TenantScope } from '@agentfs/access'
import {
  dropPlaceless,
  dropStreamRows,
  dropTreeRows,
  findStream,
  forgetRecoveryStep,
  imageOfRecovery,
  insertLostKeys,
  movePlaces,
  noteImageOfRecovery,
  recoveryStep,
  restoreImageRows,
} from '@agentfs/storage'
import { chooseImage, type TreeImage } from './choose-image.js'
import { type RebuiltStream, StreamRebuilding } from './rebuild-stream.js'
import type { RebuildTools, StreamToRebuild } from './rebuild-tools.js'
import { Losses } from './report.js'

const NOTHING: RebuiltStream = { records: 0, versions: 0, parts: 0, lastEpoch: 0 }

/**
 * Rebuilds an agent up to its newest good image: the records before it as rows of the log, which must come to the very log
 * that the image names; then its tree, as the image has it, of which only what the bucket still has counts. What came after
 * is folded on top by the caller. Where there is no image, or the log comes to another, nothing is done, and all commits
 * are to be folded. May be killed anywhere: the image that was begun with is gone on with.
 */
export async function rebuildFromImage(
  tools: RebuildTools,
  scope: TenantScope,
  target: StreamToRebuild,
): Promise<RebuiltStream> {
  const { database, losses } = tools
  const { streamId } = target
  const image = await imageToUse(tools, scope, target)
  if (image === undefined) return NOTHING
  const { epoch, seq, log } = image.head
  // What is missing before the image is counted once: by it, or by folding everything instead.
  const own = new Losses()
  const records = await new StreamRebuilding({ ...tools, losses: own }, scope, target).run(image.head)
  const row = await database.withTenant(scope, (tx) => findStream(tx, streamId))
  const range = Buffer.from(row?.merkleRange ?? []).toString('hex')
  const same =
    row?.epoch === epoch && row.headSeq === seq && row.merkleSize === log.size && range === log.range
  if (!same) {
    losses.note(
      `agent ${streamId}: image ${image.head.image}: the records up to seq ${seq} do not come to its log; all is folded`,
    )
    await startAnew(tools, scope, target)
    return NOTHING
  }
  losses.addAll(own)
  const loaded = await loadImage(tools, scope, target, image)
  return { ...records, ...loaded }
}

/** The image that was begun with, or for a stream without rows the newest good one. */
async function imageToUse(
  tools: RebuildTools,
  scope: TenantScope,
  target: StreamToRebuild,
): Promise<TreeImage | undefined> {
  const { database, clock } = tools
  const { streamId } = target
  const { step, begun, headSeq } = await database.withTenant(scope, async (tx) => ({
    step: await recoveryStep(tx, streamId),
    begun: await imageOfRecovery(tx, streamId),
    headSeq: (await findStream(tx, streamId))?.headSeq ?? 0,
  }))
  if (begun !== undefined) {
    const image = await chooseImage(tools, scope, target, begun)
    if (image !== undefined) return image
    await startAnew(tools, scope, target)
  } else if (step !== undefined || headSeq > 0) return undefined
  const image = await chooseImage(tools, scope, target)
  if (image === undefined) return undefined
  const now = new Date(clock.now())
  await database.withTenant(scope, (tx) => noteImageOfRecovery(tx, streamId, image.head.image, now))
  return image
}

async function startAnew(
  { database }: RebuildTools,
  scope: TenantScope,
  { streamId }: StreamToRebuild,
): Promise<void> {
  await database.withTenant(scope, async (tx) => {
    await dropStreamRows(tx, streamId)
    await dropTreeRows(tx, streamId)
    await forgetRecoveryStep(tx, streamId)
  })
}

async function loadImage(
  tools: RebuildTools,
  scope: TenantScope,
  target: StreamToRebuild,
  image: TreeImage,
): Promise<{ readonly versions: number; readonly parts: number }> {
  const { database, clock, losses } = tools
  const { tenantId } = scope
  const agentId = target.streamId
  const counts = { nodes: 0, entries: 0, aliases: 0, versions: 0, parts: 0 }
  for await (const { table, rows } of image.pages()) {
    tools.signal?.throwIfAborted()
    await database.withTenant(scope, async (tx) => {
      await tx.query`set local synchronous_commit = off`
      if (table === 'parts') {
        const keyIds = [...new Set(rows.map((row) => String(row['key_id'])))]
        for (const keyId of await insertLostKeys(tx, agentId, keyIds, new Date(clock.now()))) {
          const detail = `key ${keyId} is in no piece of the ledger`
          losses.add({ kind: 'key', tenant: tenantId, agent: agentId, detail })
        }
      }
      await restoreImageRows(tx, agentId, table, rows)
    })
    counts[table] += rows.length
  }
  await followMoves(tools, scope, target, image)
  await database.withTenant(scope, async (tx) => {
    await dropPlaceless(tx, agentId)
    await noteImageOfRecovery(tx, agentId, null, new Date(clock.now()))
  })
  losses.note(`agent ${agentId}: image ${image.head.image} of seq ${image.head.seq} was taken`)
  return { versions: counts.versions, parts: counts.parts }
}

/** Segments that the image does not know hold what waited when it was made, and what compaction moved: the newest counts. */
async function followMoves(
  { database, bucket }: RebuildTools,
  scope: TenantScope,
  target: StreamToRebuild,
  { head }: TreeImage,
): Promise<void> {
  const known = new Set(head.segments)
  const later = target.segments
    .filter(({ header }) => header.streamId === target.streamId && !known.has(header.segmentId))
    .filter(({ header }) => header.epoch <= head.epoch && header.firstSeq <= head.seq)
    .sort((left, right) => (left.header.segmentId < right.header.segmentId ? -1 : 1))
  for (const { key, size, header } of later) {
    const { entries } = (await bucket.index(key, size)) ?? (await bucket.scan(key))
    const versions = entries.filter(({ kind }) => kind === 'manifest')
    const parts = entries.filter(({ kind }) => kind === 'part')
    await database.withTenant(scope, (tx) =>
      movePlaces(tx, target.streamId, header.segmentId, { versions, parts }),
    )
  }
}
