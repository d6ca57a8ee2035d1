import type {
  ComposeRequest,
  CopyRequest,
  FlushRequest,
  ListQuery,
  MkdirRequest,
  MoveRequest,
  RestoreRequest,
  TreeQuery,
} from '@agentfs/contracts'
import type { AgentRow } from '@agentfs/storage'
import type { ContentSource, FilesApi, NodeRef, WriteConditions } from '../api/files-api.js'
import type { Caller } from '../caller.js'
import { appendFile } from './append-file.js'
import { composeFile } from './compose-file.js'
import { copyFile } from './copy-file.js'
import { type DeleteOptions, deletePath } from './delete-file.js'
import type { FilesTools } from './files-tools.js'
import { flushAgent } from './flush.js'
import { listFileVersions, listTree } from './listings.js'
import { listDeleted } from './list-deleted.js'
import { locate } from './locate.js'
import { makeDirectory, movePath } from './move-and-make.js'
import { putFile } from './put-file.js'
import { readFile, type ReadOptions } from './read-file.js'
import { restoreFile } from './restore-file.js'
import { statOf } from './stat-of.js'

/** Files by path: finds the agent, then hands over to one function per request. */
export class Files implements FilesApi {
  readonly #tools: FilesTools

  constructor(tools: FilesTools) {
    this.#tools = tools
  }

  async put(caller: Caller, agent: string, path: string, body: ContentSource, conditions?: WriteConditions) {
    return putFile(this.#tools, caller, await this.#open(caller, agent), path, body, conditions)
  }

  async compose(caller: Caller, agent: string, request: ComposeRequest, conditions: WriteConditions = {}) {
    return composeFile(this.#tools, caller, await this.#open(caller, agent), request, conditions)
  }

  async append(
    caller: Caller,
    agent: string,
    path: string,
    data: ContentSource,
    options: { readonly parents?: boolean } = {},
  ) {
    return appendFile(this.#tools, caller, await this.#open(caller, agent), path, data, options)
  }

  async delete(caller: Caller, agent: string, path: string, options: DeleteOptions = {}) {
    return deletePath(this.#tools, caller, await this.#open(caller, agent), path, options)
  }

  async mkdir(caller: Caller, agent: string, request: MkdirRequest) {
    return makeDirectory(this.#tools, caller, await this.#open(caller, agent), request)
  }

  async move(caller: Caller, agent: string, request: MoveRequest) {
    return movePath(this.#tools, caller, await this.#open(caller, agent), request)
  }

  async copy(caller: Caller, agent: string, request: CopyRequest) {
    return copyFile(this.#tools, caller, await this.#open(caller, agent), request)
  }

  async restore(caller: Caller, agent: string, request: RestoreRequest) {
    return restoreFile(this.#tools, caller, await this.#open(caller, agent), request)
  }

  async stat(caller: Caller, agent: string, ref: NodeRef) {
    const found = await this.#open(caller, agent)
    const { node, names, epoch, stored } = await locate(this.#tools, caller, found, ref)
    return { ...statOf(node, names, epoch, stored), epoch, seq: node.seq }
  }

  async tree(caller: Caller, agent: string, query: TreeQuery) {
    return listTree(this.#tools, caller, await this.#open(caller, agent), query)
  }

  async deleted(caller: Caller, agent: string, query: ListQuery) {
    return listDeleted(this.#tools, caller, await this.#open(caller, agent), query)
  }

  async versions(caller: Caller, agent: string, ref: NodeRef, query: ListQuery) {
    return listFileVersions(this.#tools, caller, await this.#open(caller, agent), ref, query)
  }

  async read(caller: Caller, agent: string, ref: NodeRef, options: ReadOptions = {}) {
    return readFile(this.#tools, caller, await this.#open(caller, agent), ref, options)
  }

  async flush(caller: Caller, agent: string, request: FlushRequest) {
    return flushAgent(this.#tools, caller, await this.#open(caller, agent), request)
  }

  #open(caller: Caller, agent: string): Promise<AgentRow> {
    return this.#tools.gate.open(caller, agent)
  }
}
