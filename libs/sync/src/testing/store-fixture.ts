import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PushLimits } from '../store/engine-store.js'
import { LocalStore } from '../store/local-store.js'
import type { StoreOptions } from '../store/store-state.js'
import type { Invalidation, RejectedItem } from '../store/store-types.js'
import type { ReferenceService } from './reference-service.js'

/** Limits that no test reaches by accident. */
export const LIMITS: PushLimits = { operationsMax: 1_000, bytesMax: 8_000_000 }

/** A store in a folder of its own, and the steps an engine takes with it, one at a time. */
export class StoreFixture {
  readonly folder: string
  readonly #options: Partial<StoreOptions>
  store: LocalStore
  readonly invalidations: Invalidation[] = []
  readonly rejected: RejectedItem[] = []

  constructor(options: Partial<StoreOptions> = {}) {
    this.folder = options.path ?? mkdtempSync(join(tmpdir(), 'agentfs-sync-'))
    this.#options = options
    this.store = this.#open()
  }

  /** Closes and opens again, as after a clean end. */
  reopen(): LocalStore {
    this.store.close()
    this.store = this.#open()
    return this.store
  }

  /** Opens after another process had the store and was killed. */
  reopenAfterCrash(): void {
    this.store = this.#open()
  }

  remove(): void {
    this.store.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Takes a snapshot in pages of one row, commits made meanwhile included. */
  snapshot(service: ReferenceService): void {
    this.store.beginSnapshot(service.epoch, service.head, service.root)
    for (const row of service.rows()) this.store.addSnapshotRows([row])
    this.invalidations.push(...this.store.finishSnapshot(service.head))
  }

  /** Folds what the service has and the store has not, but for the store's own unanswered push. */
  follow(service: ReferenceService): void {
    const { store } = this
    for (const commit of service.since(store.address()?.seq ?? 0)) {
      const { store: id, pushInFlight } = store.status()
      if (commit.store === id && pushInFlight === commit.pushNumber) return
      this.invalidations.push(...store.applyCommit(commit, []))
    }
  }

  /** Forms a push and hands the service its parts and bytes; true where there was one. The answer is not told yet. */
  send(service: ReferenceService, limits = LIMITS): boolean {
    const push = this.store.freezePush(limits)
    if (push === null) return false
    for (const { part } of push.parts) service.putPart(part, this.store.readPart(part))
    service.push(push.bytes)
    return true
  }

  /** Sends what is in flight or waits, and settles it; true where there was something. */
  push(service: ReferenceService, limits = LIMITS): boolean {
    const push = this.store.freezePush(limits)
    if (push === null) return false
    for (const { part } of push.parts) service.putPart(part, this.store.readPart(part))
    const answer = service.push(push.bytes)
    for (;;) {
      const outcome = this.store.settlePush(answer)
      if (outcome.kind === 'settled') {
        this.invalidations.push(...outcome.invalidations)
        this.rejected.push(...outcome.rejected)
        return true
      }
      this.follow(service)
    }
  }

  /** Pushes and follows until both are idle. */
  sync(service: ReferenceService): void {
    while (this.push(service));
    this.follow(service)
  }

  /** A new file with content; its inode. */
  put(path: string, text: string, parent = 1): number {
    const { ino } = this.store.create(parent, path, { kind: 'file', mode: 0o644, uid: 0, gid: 0 })
    if (text !== '') this.store.write(ino, 0, Buffer.from(text))
    return ino
  }

  mkdir(name: string, parent = 1): number {
    return this.store.create(parent, name, { kind: 'directory', mode: 0o755, uid: 0, gid: 0 }).ino
  }

  /** The text of a file, blocks fetched where they are missing. */
  text(ino: number, service?: ReferenceService): string {
    for (;;) {
      const read = this.store.read(ino, 0, 2 ** 30)
      if (read.kind === 'bytes') return Buffer.from(read.bytes).toString('utf8')
      if (service === undefined) throw new Error(`missing ${JSON.stringify(read.blocks)}`)
      for (const block of read.blocks) this.store.provide(block, service.block(block.version, block.block))
    }
  }

  /** The text at a path; undefined where there is none. */
  textAt(path: string, service?: ReferenceService): string | undefined {
    const ino = this.store.resolvePath(path.split('/'))
    return ino === undefined ? undefined : this.text(ino, service)
  }

  #open(): LocalStore {
    return LocalStore.open({ agent: 'agent-1', agentName: 'reference', ...this.#options, path: this.folder })
  }
}
