import type {
  AppendAnswer,
  ComposeRequest,
  CopyRequest,
  DeletedFile,
  DurableState,
  Erasure,
  FlushAnswer,
  FlushRequest,
  ListOf,
  ListQuery,
  MkdirRequest,
  MoveRequest,
  RestoreRequest,
  Stat,
  TreeQuery,
  Version,
  WriteAnswer,
} from '@agentfs/contracts'
import type { Caller } from '../caller.js'

/** How a writer insists [CON-6]. */
export interface WriteConditions {
  /** If-Match: the version that must be the head, `*` for any existing one. */
  readonly ifMatch?: string
  /** If-None-Match: *. */
  readonly createOnly?: boolean
  /** Makes missing directories on the way. */
  readonly parents?: boolean
}

/** Bytes as they come in: whole, or a stream that is read once and never held whole. */
export type ContentSource = Uint8Array | AsyncIterable<Uint8Array>

/** Which node: by path, or by id. */
export type NodeRef = { readonly path: string } | { readonly node: string }

/** Which content of it: the head where nothing is said. */
export interface ContentChoice {
  /** Version id or number. */
  readonly version?: string | number
  /** RFC 3339; the newest version not after it. */
  readonly at?: string
}

/** A range of bytes as RFC 9110 writes it: from and to inclusive, or the last `suffix` bytes. */
export type ByteRangeRequest = { readonly from: number; readonly to?: number } | { readonly suffix: number }

/** A file's content, opened bit by bit as it is consumed. */
export interface OpenedContent {
  readonly stat: Stat
  /** Of the version read, which need not be the head. */
  readonly version: string | null
  readonly number: number
  readonly size: number
  readonly epoch: number
  readonly seq: number
  /** The bytes that `body` gives: `from` inclusive, `to` exclusive; null where the range cannot be satisfied (416). */
  readonly range: { readonly from: number; readonly to: number } | null
  /** Whole where it is at most 1 MiB, so that a server can send it in one piece; else windows. Not to be changed. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
}

/** Files by path, as REST and MCP see them. */
export interface FilesApi {
  /** `created` says whether the path is new (201). */
  put(
    caller: Caller,
    agent: string,
    path: string,
    body: ContentSource,
    conditions?: WriteConditions,
  ): Promise<{ created: boolean; answer: WriteAnswer }>
  /** As `put`, from parts that went up before. */
  compose(
    caller: Caller,
    agent: string,
    request: ComposeRequest,
    conditions?: WriteConditions,
  ): Promise<{ created: boolean; answer: WriteAnswer }>
  append(
    caller: Caller,
    agent: string,
    path: string,
    data: ContentSource,
    options?: { readonly parents?: boolean },
  ): Promise<AppendAnswer>
  /** Null unless keys were to be erased. */
  delete(
    caller: Caller,
    agent: string,
    path: string,
    options?: { readonly recursive?: boolean; readonly erase?: boolean; readonly ifMatch?: string },
  ): Promise<Erasure | null>
  mkdir(caller: Caller, agent: string, request: MkdirRequest): Promise<WriteAnswer>
  move(caller: Caller, agent: string, request: MoveRequest): Promise<WriteAnswer>
  copy(caller: Caller, agent: string, request: CopyRequest): Promise<WriteAnswer>
  restore(caller: Caller, agent: string, request: RestoreRequest): Promise<WriteAnswer>
  stat(
    caller: Caller,
    agent: string,
    ref: NodeRef,
  ): Promise<Stat & { readonly epoch: number; readonly seq: number }>
  tree(caller: Caller, agent: string, query: TreeQuery): Promise<ListOf<Stat>>
  /** Deleted files that can still be restored. */
  deleted(caller: Caller, agent: string, query: ListQuery): Promise<ListOf<DeletedFile>>
  /** By id, of a deleted file too. */
  versions(caller: Caller, agent: string, ref: NodeRef, query: ListQuery): Promise<ListOf<Version>>
  /** `metadataOnly` (HEAD) opens nothing and records no read. */
  read(
    caller: Caller,
    agent: string,
    ref: NodeRef,
    choice?: ContentChoice & { readonly range?: ByteRangeRequest; readonly metadataOnly?: boolean },
  ): Promise<OpenedContent>
  /** Waits until everything acknowledged so far is `until`; `timeout` (504) where it takes longer. */
  flush(caller: Caller, agent: string, request: FlushRequest): Promise<FlushAnswer>
}

/** Where a commit stands, for `Agentfs-State`. */
export type { DurableState }
