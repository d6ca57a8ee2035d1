import { z } from 'zod'
import { sha256Hex, uuid } from './ids.js'
import { operationResult } from './operation-results.js'
import { operation } from './operations.js'
import { receipt, treeDelta } from './records.js'
import { nodeImage, wireName } from './tree-images.js'

/** The version of the sync protocol, sent both ways as `Agentfs-Protocol`. */
export const PROTOCOL_VERSION = 1
/** The oldest version still served; older clients get 426 `client_too_old`. */
export const PROTOCOL_VERSION_MIN = 1

/** The most operations and inline bytes of one push. */
export const PUSH_OPERATIONS_MAX = 1_000
/** The most bytes of a push's body. */
export const PUSH_BYTES_MAX = 16 * 1_048_576

/**
 * One push [SY-6, SY-8]. Its digest is the SHA-256 of the body as sent: a client freezes the bytes at the
 * first sending and resends them unchanged. `previous` is the digest of push `number - 1`, null for number 1.
 * The epoch travels in the header `Agentfs-Epoch`, outside the frozen bytes.
 */
export const pushRequest = z.object({
  store: uuid,
  number: z.int().min(1),
  previous: sha256Hex.nullable(),
  operations: z.array(operation).min(1).max(PUSH_OPERATIONS_MAX),
})
/** One push of a client store. */
export type PushRequest = z.infer<typeof pushRequest>

/** What of a commit a follower of an agent needs. */
export const commitFrame = z.object({
  epoch: z.int().min(0),
  seq: z.int().min(1),
  at: z.iso.datetime(),
  delta: treeDelta,
  /** The store whose push this was, so that a client knows its own. */
  store: uuid.optional(),
  pushNumber: z.int().optional(),
})
/** What of a commit a follower of an agent needs. */
export type CommitFrame = z.infer<typeof commitFrame>

/** The answer to a push; kept for ever as the store's last answer. `commit` is null when nothing was applied. */
export const pushAnswer = z.object({
  digest: sha256Hex,
  results: z.array(operationResult),
  commit: commitFrame.nullable(),
  receipt: receipt.nullable(),
})
/** The answer to a push. */
export type PushAnswer = z.infer<typeof pushAnswer>

/** A node with all its names, true at `node.seq`. */
export const snapshotRow = z.object({
  node: nodeImage,
  entries: z.array(z.object({ parent: uuid, name: wireName })),
})
/** A node with all its names. */
export type SnapshotRow = z.infer<typeof snapshotRow>

/** A page of a snapshot [SY-2]; `seq0` is the head when the first page was read, carried by the cursor. */
export const snapshotPage = z.object({
  epoch: z.int().min(0),
  seq0: z.int().min(0),
  root: uuid,
  rows: z.array(snapshotRow),
  nextCursor: z.string().nullable(),
})
/** A page of a snapshot. */
export type SnapshotPage = z.infer<typeof snapshotPage>

/** Commits after `since`, in order; `head` beyond the last one means: ask again. */
export const changesPage = z.object({
  epoch: z.int().min(0),
  head: z.int().min(0),
  stored: z.int().min(0),
  commits: z.array(commitFrame),
})
/** Commits after an address. */
export type ChangesPage = z.infer<typeof changesPage>

/** Content of one version, small enough to travel whole. */
export const contentItem = z.object({ node: uuid, version: uuid, data: z.instanceof(Uint8Array) })
/** Content of one version. */
export type ContentItem = z.infer<typeof contentItem>

/** Asks for many small contents in one request; what is missing, too large or past the budget is left out. */
export const contentsRequest = z.object({
  reason: z.enum(['open', 'prefetch', 'feed']),
  items: z
    .array(z.object({ node: uuid, version: uuid }))
    .min(1)
    .max(1_000),
})
/** Asks for many small contents. */
export type ContentsRequest = z.infer<typeof contentsRequest>
/** The contents found; the total stays below 8 MiB. */
export const contentsAnswer = z.object({ items: z.array(contentItem) })
/** The contents found. */
export type ContentsAnswer = z.infer<typeof contentsAnswer>

/** Frames of the feed, service to client; MessagePack, one WebSocket message each [SY-3]. */
export const feedFrame = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocol: z.int(),
    epoch: z.int(),
    head: z.int(),
    stored: z.int(),
  }),
  /** `through` is the seq the client may advance to, even where nothing is visible [SY-5]. */
  z.object({
    type: z.literal('commit'),
    through: z.int(),
    commit: commitFrame,
    contents: z.array(contentItem),
  }),
  z.object({
    type: z.literal('heartbeat'),
    epoch: z.int(),
    head: z.int(),
    stored: z.int(),
    grantsVersion: z.int(),
  }),
  z.object({ type: z.literal('resync'), node: uuid, seq: z.int() }),
  /** The credential no longer holds: the client closes its mount [SY-1]. */
  z.object({ type: z.literal('revoked'), code: z.string() }),
])
/** A frame of the feed. */
export type FeedFrame = z.infer<typeof feedFrame>

/** What a client may send on the feed: a fresh access token before the old one ends. */
export const feedClientFrame = z.object({ type: z.literal('token'), accessToken: z.string() })
/** What a client may send on the feed. */
export type FeedClientFrame = z.infer<typeof feedClientFrame>

/** Asks which of some parts the service lacks, so that an upload that was cut goes on where it was. */
export const missingPartsRequest = z.object({ parts: z.array(uuid).min(1).max(10_000) })
/** Asks which of some parts the service lacks. */
export type MissingPartsRequest = z.infer<typeof missingPartsRequest>
/** The parts to upload, in the order asked. */
export const missingPartsAnswer = z.object({ missing: z.array(uuid) })
/** The parts to upload. */
export type MissingPartsAnswer = z.infer<typeof missingPartsAnswer>

/** A part's upload [SY-13]: what the service keeps of it. */
export const partAnswer = z.object({ part: uuid, size: z.int(), state: z.enum(['staged', 'stored']) })
/** A part's upload. */
export type PartAnswer = z.infer<typeof partAnswer>
