/**
 * Faults that once made could lose, tear or show wrong bytes, and the named test that must catch each. `anchor` is text of
 * the source that occurs exactly once; where it has gone, so has the place, and the run fails until somebody looks.
 */
export const BUGS = [
  {
    name: 'acknowledge before commit',
    file: 'libs/storage/src/postgres/database.ts',
    anchor: `      const command = await tx.control('commit')
      if (tx.failure !== undefined) throw tx.failure.error
      // A failed transaction answers COMMIT with ROLLBACK, without an error.
      if (command !== 'COMMIT') throw connectionLost()
      return result
`,
    planted: `      void tx.control('commit').catch(() => undefined)
      if (tx.failure !== undefined) throw connectionLost()
      return result
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/commit/acknowledged.test.ts',
      title: '[DUR-1] [DUR-2] is not acknowledged, not announced, and not there; the next write is',
    },
  },
  {
    name: 'drop the journal before the answer',
    file: 'libs/sync/src/store/push-forming.ts',
    anchor: `    state.database.sql('update journal set push = ? where push = 0 and seq <= ?').run(number, last)
`,
    planted: `    state.database.sql('delete from journal where push = 0 and seq <= ?').run(last)
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/sync/src/store/unanswered-push.test.ts',
      title: '[DUR-4] leaves everything in the journal, over a restart too, until the answer came',
    },
  },
  {
    name: 'coalesce into a push already sent',
    file: 'libs/sync/src/store/file-writes.ts',
    anchor: `  if (entry?.push !== 0 || !isLocalContent(entry.operation)) return undefined
`,
    planted: `  if (entry === undefined || !isLocalContent(entry.operation)) return undefined
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/sync/src/store/unanswered-push.test.ts',
      title: '[SY-8] takes nothing more in: what is written meanwhile is in the next push, and arrives',
    },
  },
  {
    name: 'no invalidation',
    file: 'apps/agent-client/src/mount/invalidate.ts',
    anchor: `  if (batch.count > 0) notifier.send(batch, () => undefined)
`,
    planted: `  if (batch.count > Number.MAX_SAFE_INTEGER) notifier.send(batch, () => undefined)
`,
    // It runs the built programs.
    build: 'apps/agent-client',
    test: {
      config: 'acceptance/jest.config.mjs',
      file: 'acceptance/src/case-study.test.ts',
      title: '[VIS-2] a reader that holds the file open sees the new bytes too',
    },
  },
  {
    name: 'part not bound to its key',
    file: 'libs/crypto/src/sealed-object.ts',
    anchor: `  const ids = [binding.tenantId, binding.keyId, binding.objectId].map(uuidToBytes)
`,
    planted: `  const ids = [binding.tenantId, binding.objectId].map(uuidToBytes)
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/crypto/src/sealed-object.test.ts',
      title: '[ENC-2] bytes of one place are refused at another: key id',
    },
  },
  {
    name: 'ledger written after stored',
    file: 'libs/storage/src/postgres/packing/switch-store.ts',
    anchor: `      if (unledgered !== undefined) throw new Error(\`key \${unledgered} is not in the key ledger\`)
`,
    planted: ``,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/followers/packer-recovery.test.ts',
      title: '[ENC-3] stores nothing whose key is not marked as ledgered, whoever unmarked it',
    },
  },
  {
    name: 'old segments deleted before the switch-over',
    file: 'libs/engine/src/maintenance/compact-chore.ts',
    anchor: `    await this.#crashPoints('segment-put')
`,
    planted: `    for (const old of run) await this.#objects.delete(scope, [old.objectKey], 1)
    await this.#crashPoints('segment-put')
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/maintenance/compaction.test.ts',
      title: '[DUR-1] loses nothing when it is killed at segment-put, and the next one finishes',
    },
  },
  {
    name: 'collector ignores that an object is being written',
    file: 'libs/engine/src/followers/collector.ts',
    anchor: `    const givenUp = await this.#rows.giveUpAbandoned(scope, before(this.#writingMsMax), now)
`,
    planted: `    const givenUp = await this.#rows.giveUpAbandoned(scope, before(0), now)
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/maintenance/compaction.test.ts',
      title: '[DUR-1] a collection while it writes leaves its object alone',
    },
  },
  {
    name: 'wrong live count after a compaction',
    file: 'libs/storage/src/postgres/compaction/compaction-store.ts',
    anchor: `live_bytes = \${moved},
`,
    planted: `live_bytes = \${rewritten.size},
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/maintenance/compaction.test.ts',
      title: '[DUR-1] merges small segments into one, counts what is live in it, and all reads as before',
    },
  },
  {
    name: 'recover ignores deletions',
    file: 'libs/engine/src/recovery/fold-batch.ts',
    anchor: `    for (const image of nodes) this.nodes.set(image.id, { image, at: this.at })
    for (const image of entries) this.entries`,
    planted: `    for (const image of nodes) if (image.deleted !== true) this.nodes.set(image.id, { image, at: this.at })
    for (const image of entries) if (image.node !== null) this.entries`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/recovery/recover.test.ts',
      title: 'a deleted file does not come back',
    },
  },
  {
    name: 'recover ignores tombstones',
    file: 'libs/engine/src/recovery/read-ledger.ts',
    anchor: `      for (const tombstone of rows.tombstones) tombstones.set(tombstone.keyId, tombstone)
`,
    planted: '',
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/recovery/recover.test.ts',
      title: '[ENC-3] a tombstone beats every copy of its key, whichever piece of the ledger has one',
    },
  },
  {
    name: 'recover believes an image about an erased file',
    file: 'libs/storage/src/postgres/images/image-rows.ts',
    anchor: `    if (name === 'content_mac') return \`case when \${erased} then ''::bytea else x.content_mac end\`
`,
    planted: `    if (erased === '') return name
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/recovery/tree-images.test.ts',
      title:
        '[ENC-3] nothing that an erased key sealed is told by an image that was made before, its bytes still there',
    },
  },
  {
    name: 'recover takes an image for all that there is of a tree',
    file: 'libs/engine/src/recovery/recover.ts',
    anchor: `    const commits = await new StreamRebuilding(tools, scope, { ...own, ...found }).run()
`,
    planted: `    const commits =
      imaged.records > 0 ? imaged : await new StreamRebuilding(tools, scope, { ...own, ...found }).run()
`,
    test: {
      config: 'jest.config.mjs',
      file: 'libs/engine/src/recovery/tree-images.test.ts',
      title: '[ENC-3] what was erased, deleted or pruned after the image stays gone',
    },
  },
]
