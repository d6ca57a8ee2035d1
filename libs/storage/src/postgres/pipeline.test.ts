import { randomBytes } from 'node:crypto'
import { type PostgresCluster, startPostgres, waitFor } from '@agentfs/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Pipeline } from './pipeline.js'
import type { QueryValue } from './statement.js'

describe('a pipeline', () => {
  let cluster: PostgresCluster
  let url: string
  let pipeline: Pipeline
  let ended = false

  beforeAll(async () => {
    cluster = await startPostgres()
    ;({ url } = await cluster.createDatabase())
  })
  afterAll(() => cluster.stop())
  beforeEach(() => {
    ended = false
    pipeline = open()
  })
  afterEach(() => pipeline.close())

  function open(): Pipeline {
    return new Pipeline({ connectionString: url, onEnd: () => (ended = true) })
  }

  const query = (text: string, values: readonly QueryValue[] = [], on = pipeline): Promise<unknown[]> =>
    on.query({ text, values, form: 'objects', kept: true }).then(({ rows }) => rows)

  it('gives each query of a turn its own answer, in order', async () => {
    const answers = Array.from({ length: 50 }, (_, at) =>
      query(`select $1::integer as at_${at % 7}, generate_series(1, 2) as row`, [at]),
    )
    for (const [at, rows] of (await Promise.all(answers)).entries()) {
      const name = `at${at % 7}`
      expect(rows).toEqual([1, 2].map((row) => ({ [name]: at, row })))
    }
  })

  it('[OUT-1] does not wait for ever for a server that says nothing', async () => {
    const waiting = new Pipeline({ connectionString: url, silenceMs: 200, onEnd: () => (ended = true) })
    await query('select 1', [], waiting)
    await expect(query('select pg_sleep(20)', [], waiting)).rejects.toMatchObject({ code: 'unavailable' })
    await waitFor(() => ended, { deadlineMs: 2_000, what: 'the connection to end' })
  })

  it('fails a turn with a value that cannot be sent, and not the process', async () => {
    await expect(query('select $1::timestamptz', [new Date(Number.NaN)])).rejects.toMatchObject({
      code: 'unavailable',
    })
    await waitFor(() => ended, { deadlineMs: 2_000, what: 'the connection to end' })
  })

  it('carries every kind of value there and back', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z')
    const bytes = randomBytes(3 * 1_048_576)
    const text = 'quotes " and \' and \\, a line\nand π, 𝒳 and 漢'
    const [{ returned, ...row } = { returned: null }] = (await query(
      `select $1::text as text, $2::bytea as returned, $3::bytea as no_bytes, $4::boolean as yes, $5::bigint as large,
        $6::timestamptz as at, $7::jsonb as json, $8::text[] as words, $9::text as nothing, $10::text as empty`,
      [text, bytes, new Uint8Array(0), true, 2 ** 52, at, '{"a":[1]}', '{"a b","c\\"d",e}', null, ''],
    )) as { returned: Buffer | null }[]
    // Compared byte by byte by the matcher this would take minutes.
    expect(returned?.equals(bytes)).toBe(true)
    expect(row).toEqual({
      text,
      noBytes: Buffer.alloc(0),
      yes: true,
      large: 2 ** 52,
      at,
      json: { a: [1] },
      words: ['a b', 'c"d', 'e'],
      nothing: null,
      empty: '',
    })
  })

  it('[DUR-2] runs nothing behind a query that failed, and goes on with the next turn', async () => {
    await query('create table behind (a integer)')
    const failing = query('select 1 / $1::integer', [0])
    const behind = query('insert into behind values (1)')
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    await expect(behind).rejects.toMatchObject({ code: '25P02' })
    expect(await query('select * from behind')).toEqual([])
    expect(await query('select 1 / $1::integer as one', [1])).toEqual([{ one: 1 }])
    expect(ended).toBe(false)
  })

  it('plans a query again that could not be planned before', async () => {
    await expect(query('select b from later')).rejects.toMatchObject({ code: '42P01' })
    await query('create table later (b integer)')
    expect(await query('select b from later')).toEqual([])
  })

  it('ends where a plan no longer fits its tables, so that the next connection plans anew', async () => {
    await query('create table changing (a integer)')
    expect(await query('select * from changing')).toEqual([])
    const second = open()
    await query('alter table changing add column b integer', [], second)
    await second.close()
    await expect(query('select * from changing')).rejects.toMatchObject({ code: '0A000' })
    expect(ended).toBe(true)
    await expect(query('select 1')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('[OUT-1] answers everything that is under way when its connection ends', async () => {
    const [own] = await query('select pg_backend_pid() as pid')
    const { pid } = own as { pid: number }
    const sleeping = query('select pg_sleep(30)')
    const behind = query('select 1')
    const outcomes = Promise.allSettled([sleeping, behind])
    const second = open()
    await waitFor(
      async () =>
        (
          await query(
            "select 1 from pg_stat_activity where pid = $1 and query like '%pg_sleep%' and state = 'active'",
            [pid],
            second,
          )
        ).length > 0,
      { deadlineMs: 10_000, what: 'the query to run' },
    )
    const later = Promise.allSettled([query('select 2')])
    await query('select pg_terminate_backend($1)', [pid], second)
    await second.close()
    for (const { status } of await outcomes) expect(status).toBe('rejected')
    expect(await later).toMatchObject([{ status: 'rejected', reason: { code: 'unavailable' } }])
    await waitFor(() => Promise.resolve(ended), { deadlineMs: 5_000, what: 'the end to show' })
  })
})
