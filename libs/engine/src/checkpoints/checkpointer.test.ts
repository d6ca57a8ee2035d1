import { type ExportLine, verifyExport } from '@agentfs/audit'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Caller } from '../caller.js'
import { checkpointKey } from '../followers/object-keys.js'
import { newTenant, type RunningEngine, startEngine } from '../running-engine.contract.js'
import { CHECKPOINT_MS_MIN, Checkpointer } from './checkpointer.js'

describe('checkpoints of the audit log', () => {
  let running: RunningEngine
  let caller: Caller
  let nowMs: number

  beforeAll(async () => {
    running = await startEngine()
    ;({ caller } = await newTenant(running.engine))
    nowMs = Date.now()
    await running.engine.agents.create(caller, { name: 'logged' })
  })
  afterAll(() => running.stop())

  const checkpointer = (): Checkpointer =>
    new Checkpointer({
      database: running.database,
      resources: running.resources,
      clock: { now: () => nowMs },
    })

  const exported = async (agent?: string): Promise<ExportLine[]> => {
    const lines: ExportLine[] = []
    const query = agent === undefined ? {} : { agent }
    for await (const line of await running.engine.audit.export(caller, query)) lines.push(line)
    return lines
  }

  const write = async (text: string): Promise<void> => {
    await running.engine.files.put(caller, 'logged', 'a.md', Buffer.from(text))
  }

  it('[AUD-3] are signed, chained, kept in the object store, and prove every record before them', async () => {
    const { scope } = caller.principal
    await write('one')
    nowMs += CHECKPOINT_MS_MIN
    expect(await checkpointer().dueAcrossTenants()).toContainEqual(scope)
    expect(await checkpointer().checkpoint(scope)).toEqual({ number: 1, stored: 1 })
    // Nothing grew, and too young.
    expect(await checkpointer().checkpoint(scope)).toEqual({ number: null, stored: 0 })
    await write('two')
    expect(await checkpointer().checkpoint(scope)).toEqual({ number: null, stored: 0 })
    nowMs += CHECKPOINT_MS_MIN
    expect(await checkpointer().checkpoint(scope)).toEqual({ number: 2, stored: 1 })

    const { data } = await running.engine.audit.listCheckpoints(caller, { limit: 10 })
    expect(data.map(({ number }) => number)).toEqual([2, 1])
    const stored = await running.objectStore.get(`service/${checkpointKey(scope, 2)}`)
    expect(Buffer.from(stored).toString('utf8')).toBe(data[0]?.note)

    const lines = await exported()
    const report = await verifyExport(lines, { checkpoints: data.map(({ note }) => note) })
    expect(report.problems).toEqual([])
    expect(report.checkpoints).toBe(2)
    const agent = await running.engine.agents.get(caller, 'logged')
    expect(report.logs.find(({ stream }) => stream === agent.id)).toMatchObject({ provenSize: 2, size: 2 })
  })

  it('[AUD-3] tell a record that was changed, and logs that were cut', async () => {
    const lines = await exported()
    const changed = lines.map((line) =>
      line.type === 'record' && JSON.stringify(line).includes('file.write')
        ? { ...line, record: { ...line.record, at: '2020-01-01T00:00:00.000Z' } }
        : line,
    )
    expect((await verifyExport(changed)).problems.map(({ code }) => code)).toContain('changed')
    const cut = lines.filter((line) => !JSON.stringify(line).includes('file.write'))
    expect((await verifyExport(cut)).ok).toBe(false)
  })

  it('[AUD-2] race each other without a gap or a fork', async () => {
    const { scope } = caller.principal
    await write('three')
    nowMs += CHECKPOINT_MS_MIN
    const numbers = (await Promise.all([1, 2, 3, 4].map(() => checkpointer().checkpoint(scope)))).map(
      ({ number }) => number,
    )
    expect(numbers.filter((number) => number !== null)).toEqual([3])
    expect((await verifyExport(await exported())).problems).toEqual([])
  })

  it('an agent alone is exported without the checkpoints that cover others, and its receipts prove it', async () => {
    const { answer } = await running.engine.files.put(caller, 'logged', 'b.md', Buffer.from('b'))
    const lines = await exported('logged')
    expect(new Set(lines.map(({ type }) => type))).toEqual(new Set(['record']))
    const receipts = answer.receipt === null ? [] : [answer.receipt]
    expect((await verifyExport(lines, { receipts })).problems).toEqual([])
    await expect(running.engine.audit.export(caller, { agent: 'nobody' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
