// Five bugs, each of which would lose or leak somebody's memory, and the test that must catch it. `find` must stand in the file
// exactly once: a patch whose place has moved fails loudly rather than planting nothing.
export const BUGS = [
  {
    name: 'acknowledge before commit',
    file: 'libs/engine/src/commit/commit.ts',
    find: `        const { outcome, after } = await this.#tools.database.withTenant(scope, async (tx) => {
          const done = await this.#underLock(tx, request, prepared, author, held)
          return { outcome: done, after: await request.within?.(tx) }
        })`,
    plant: `        const early = Promise.withResolvers<any>()
        this.#tools.database
          .withTenant(scope, async (tx) => {
            const done = await this.#underLock(tx, request, prepared, author, held)
            early.resolve({ outcome: done, after: await request.within?.(tx) })
            await new Promise((resolve) => setTimeout(resolve, 50))
          })
          .catch(early.reject)
        const { outcome, after } = await early.promise`,
    test: 'libs/engine/src/commit/commit.crash.test.ts',
    named: 'loses no acknowledged write',
  },
  {
    name: 'drop the journal before the answer',
    file: 'libs/sync/src/store/push-forming.ts',
    find: 'for (const entry of chosen) state.journal.put({ ...entry, push: number })',
    plant: 'for (const entry of chosen) state.journal.remove(entry.seq)',
    build: 'libs/sync',
    test: 'libs/sync/src/store/crash.test.ts',
    named: 'what returned is there',
  },
  {
    name: 'coalesce into a push already sent',
    file: 'libs/sync/src/store/file-writes.ts',
    find: 'if (entry?.push !== 0 || !isLocalContent(entry.operation)) return undefined',
    plant: 'if (entry === undefined || !isLocalContent(entry.operation)) return undefined',
    test: 'libs/sync/src/store/pushing.test.ts',
    named: 'goes with the next one',
  },
  {
    name: 'no invalidation',
    file: 'apps/agent-client/src/mount/invalidate.ts',
    find: '  let together: NotificationBatch | undefined = new NotificationBatch()',
    plant: `  if (invalidations.length > 0) return
  let together: NotificationBatch | undefined = new NotificationBatch()`,
    build: 'apps/agent-client',
    test: 'acceptance/src/case-study.test.ts',
    named: 'holds the file open',
  },
  {
    name: 'part not bound to its key',
    file: 'libs/crypto/src/sealed-object.ts',
    find: 'const ids = [binding.tenantId, binding.keyId, binding.objectId].map(uuidToBytes)',
    plant: 'const ids = [binding.tenantId, binding.objectId].map(uuidToBytes)',
    test: 'libs/crypto/src/sealed-object.test.ts',
    named: 'refused at another: key id',
  },
]
