import type { TenantScope } from '@agentfs/access'
import { isAgentfsError } from '@agentfs/contracts'
import { findKeys, findStream, type ImageRow, type ImageTable } from '@agentfs/storage'
import { type ImageHead, openImageHead, openImagePage } from '../images/image-format.js'
import type { UsableKey } from '../keys/key-vault.js'
import type { FoundImageObject } from './bucket.js'
import { StreamRebuilding } from './rebuild-stream.js'
import type { RebuildTools, StreamToRebuild } from './rebuild-tools.js'

/** An image of an agent's tree that opens, page by page. */
export interface TreeImage {
  readonly head: ImageHead
  /** Its rows, a page at a time; `object_corrupt` or `not_found` where one is not as it was written. */
  pages(): AsyncGenerator<{ readonly table: ImageTable; readonly rows: readonly ImageRow[] }>
}

/**
 * The newest image of an agent that opens whole and lies on the way of the bucket's commits; those that do not are noted, and
 * passed over: they are no loss. With `only` that one or none.
 */
export async function chooseImage(
  tools: RebuildTools,
  scope: TenantScope,
  target: StreamToRebuild,
  only?: string,
): Promise<TreeImage | undefined> {
  const heads = target.images
    .filter(({ imageId, objectId }) => imageId === objectId && (only === undefined || imageId === only))
    .sort((left, right) => (left.imageId < right.imageId ? 1 : -1))
  if (heads.length === 0) return undefined
  const key = await streamKey(tools, scope, target.streamId)
  if (key === undefined) return undefined
  for (const found of heads) {
    tools.signal?.throwIfAborted()
    try {
      const image = await openImage(tools, scope, target, key, found)
      if (await new StreamRebuilding(tools, scope, target).reaches(image.head)) return image
      const { epoch, seq } = image.head
      tools.losses.note(
        `${found.key} is of seq ${seq}, epoch ${epoch}, which the stored commits do not reach`,
      )
    } catch (error) {
      if (!isAgentfsError(error, 'object_corrupt') && !isAgentfsError(error, 'not_found')) throw error
      tools.losses.note(
        `${found.key} is not as it was written: an older image, or all commits, take its place`,
      )
    }
  }
  return undefined
}

/** Opens the head, and every page once: half an image is none. */
async function openImage(
  { bucket }: RebuildTools,
  { tenantId }: TenantScope,
  target: StreamToRebuild,
  key: UsableKey,
  { imageId, key: headKey }: FoundImageObject,
): Promise<TreeImage> {
  const head = openImageHead(tenantId, key, { imageId, agentId: target.streamId }, await bucket.get(headKey))
  const folder = headKey.slice(0, -imageId.length)
  const image: TreeImage = {
    head,
    async *pages() {
      for (const page of head.pages) {
        const sealed = await bucket.get(folder + page.id)
        yield { table: page.table, rows: openImagePage(tenantId, key, imageId, page, sealed) }
      }
    },
  }
  for await (const page of image.pages()) void page
  return image
}

async function streamKey(
  { database, vault }: RebuildTools,
  scope: TenantScope,
  streamId: string,
): Promise<UsableKey | undefined> {
  const rows = await database.withTenant(scope, async (tx) => {
    const stream = await findStream(tx, streamId)
    return stream === undefined ? [] : findKeys(tx, [stream.keyId])
  })
  const [key] = (await vault.unwrap(scope, rows)).values()
  return key
}
