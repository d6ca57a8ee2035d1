import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { EpochStart, Receipt } from '@agentfs/contracts'
import { type Checkpoint, checkpointHash, signCheckpoint } from './checkpoint.js'
import { ed25519PrivateKey, ed25519PublicKey, ed25519RawPublicKey } from './ed25519.js'
import type { ExportLine } from './export-line.js'
import { append, EMPTY_LOG, type LogState, root } from './merkle-log.js'
import { receiptFor } from './receipt.js'
import { recordLeaf } from './record-leaf.js'
import { formatVerifierKey } from './signed-note.js'
import { type ExportReport, verifyExport } from './verify-export.js'

const privateKey = ed25519PrivateKey(Buffer.alloc(32, 1))
const signer = { name: 'agentfs.example/audit', privateKey }
const publicKey = ed25519PublicKey(ed25519RawPublicKey(privateKey))
const key = formatVerifierKey({ name: signer.name, publicKey })
const tenant = '0192f000-0000-7000-8000-000000000001'
const stream = '0192f000-0000-7000-8000-000000000002'

interface TestRecord {
  readonly v: 1
  readonly stream: string
  readonly epoch: number
  readonly seq: number
  readonly action: string
}

function recordOf(seq: number, epoch = 0): TestRecord {
  return { v: 1, stream, epoch, seq, action: `write ${seq}` }
}

/** A stream of records with a checkpoint after every `every` of them, and a receipt for each record. */
function history(records: readonly TestRecord[], every: number) {
  let log: LogState = EMPTY_LOG
  const receipts: Receipt[] = []
  const notes: string[] = []
  let last: Checkpoint | undefined
  for (const record of records) {
    log = append(log, recordLeaf(record))
    receipts.push(receiptFor(record, recordLeaf(record), log))
    if (log.size % every !== 0) continue
    last = {
      tenant,
      number: notes.length + 1,
      at: '2026-11-22T10:00:00.123Z',
      previous: last === undefined ? null : checkpointHash(last),
      streams: [{ stream, epoch: record.epoch, size: log.size, root: root(log).toString('hex') }],
    }
    notes.push(signCheckpoint(last, signer))
  }
  return { records, receipts, notes, log }
}

function linesOf(records: readonly object[], notes: readonly string[] = []): ExportLine[] {
  return [
    { type: 'key', key },
    ...records.map((record) => ({ type: 'record' as const, record })),
    ...notes.map((note) => ({ type: 'checkpoint' as const, note })),
  ]
}

const codes = (report: ExportReport) => [...new Set(report.problems.map(({ code }) => code))]
const twelve = history(
  Array.from({ length: 12 }, (_, index) => recordOf(index + 1)),
  4,
)

describe('[AUD-3] verifying an export', () => {
  it('accepts what is whole, and says how far it is proven and by whose keys', async () => {
    const report = await verifyExport(linesOf([...twelve.records, recordOf(13)], twelve.notes), {
      keys: [key],
    })
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      records: 13,
      checkpoints: 3,
      keysFrom: 'verifier',
    })
    expect(report.logs).toMatchObject([{ stream, epoch: 0, start: 0, size: 13, provenSize: 12 }])
    expect((await verifyExport(linesOf(twelve.records, twelve.notes))).keysFrom).toBe('export')
  })

  it('detects a deletion, an edit, an insertion, a reordering and a cut, at any place, from one old checkpoint', async () => {
    const tampering = fc.constantFrom('delete', 'edit', 'insert', 'reorder', 'cut')
    await fc.assert(
      fc.asyncProperty(tampering, fc.nat(11), async (kind, at) => {
        const forged = tamper(twelve.records, kind, at)
        const held = { keys: [key], checkpoints: twelve.notes.slice(-1) }
        expect((await verifyExport(linesOf(forged), held)).ok).toBe(false)
        expect((await verifyExport(linesOf(twelve.records, twelve.notes), held)).ok).toBe(true)
      }),
    )
  })

  it('detects the same from one old receipt, even where all later checkpoints were signed anew', async () => {
    const tampering = fc.constantFrom('delete', 'edit', 'insert', 'reorder', 'cut')
    await fc.assert(
      fc.asyncProperty(tampering, fc.nat(11), async (kind, at) => {
        const forged = history(tamper(twelve.records, kind, at), 4)
        const held = { keys: [key], receipts: twelve.receipts.slice(-1) }
        const report = await verifyExport(linesOf(forged.records, forged.notes), held)
        expect(report.ok).toBe(false)
        expect(codes(report).every((code) => code === 'changed' || code === 'cut')).toBe(true)
      }),
    )
  })

  it('names the records between the last proof that holds and the first that fails', async () => {
    const edited = twelve.records.with(5, { ...recordOf(6), action: 'something else' })
    const report = await verifyExport(linesOf(edited, twelve.notes), { keys: [key] })
    expect(report.problems).toMatchObject([{ code: 'changed', stream, epoch: 0, from: 4, to: 8 }])
    expect(report.logs).toMatchObject([{ provenSize: 4 }])
    const exact = await verifyExport(linesOf(edited), { receipts: twelve.receipts })
    expect(exact.problems[0]).toMatchObject({ code: 'changed', from: 5, to: 6 })
  })

  it('names what a cut left out', async () => {
    const report = await verifyExport(linesOf(twelve.records.slice(0, 9), twelve.notes), { keys: [key] })
    expect(report.problems).toMatchObject([{ code: 'cut', from: 9, to: 12 }])
    const nothing = await verifyExport([], { receipts: twelve.receipts.slice(0, 1) })
    expect(codes(nothing)).toEqual(['cut'])
  })

  it('detects a checkpoint that was left out, moved, replaced, or signed by a stranger', async () => {
    const [first = '', second = '', third = ''] = twelve.notes
    const forger = { ...signer, privateKey: ed25519PrivateKey(Buffer.alloc(32, 2)) }
    const streams = [{ stream, epoch: 0, size: 1, root: 'ab'.repeat(32) }]
    const other: Checkpoint = { tenant, number: 1, at: '2026-11-22T10:00:00.124Z', previous: null, streams }
    const check = async (...notes: string[]) =>
      codes(await verifyExport(linesOf(twelve.records, notes), { keys: [key], checkpoints: [first] }))
    expect(await check(first, second, third)).toEqual([])
    expect(await check(first, third)).toEqual(['chain'])
    expect(await check(first, third, second)).toEqual(['chain'])
    expect(await check(signCheckpoint(other, signer), second)).toContain('chain')
    expect(await check(signCheckpoint(other, forger))).toContain('signature')
    const held = { keys: [key], checkpoints: [third] }
    expect(codes(await verifyExport(linesOf(twelve.records, [first]), held))).toEqual(['chain'])
  })

  it('trusts the verifier before the export: a forger’s own key proves nothing', async () => {
    const forger = ed25519PrivateKey(Buffer.alloc(32, 2))
    const forgerKey = formatVerifierKey({
      name: signer.name,
      publicKey: ed25519PublicKey(ed25519RawPublicKey(forger)),
    })
    const lines: ExportLine[] = [
      { type: 'key', key: forgerKey },
      ...linesOf(twelve.records, twelve.notes).slice(1),
    ]
    expect((await verifyExport(lines, { keys: [key] })).ok).toBe(true)
    expect(codes(await verifyExport(lines))).toEqual(['signature'])
    expect(codes(await verifyExport(lines, { keys: [] }))).toEqual(['key', 'signature'])
    expect(codes(await verifyExport(lines, { keys: ['nonsense'] }))).toContain('key')
  })

  it('verifies an export that starts in the middle of a log', async () => {
    const before = twelve.records.slice(0, 5).map(recordLeaf).reduce<LogState>(append, EMPTY_LOG)
    const range = Buffer.from(before.range).toString('hex')
    const start: ExportLine = { type: 'log', stream, epoch: 0, size: 5, range }
    const rest = linesOf(twelve.records.slice(5), twelve.notes)
    const report = await verifyExport([start, ...rest], { keys: [key], receipts: twelve.receipts })
    expect(report.problems).toEqual([])
    expect(report.logs).toMatchObject([{ start: 5, size: 12, provenSize: 12 }])
    const lying = { ...start, range: 'ab'.repeat(64) }
    expect(codes(await verifyExport([lying, ...rest], { keys: [key] }))).toEqual(['changed'])
    expect(codes(await verifyExport([...rest, start], { keys: [key] }))).toContain('line')
  })

  it('holds an epoch to the log it says it forked from', async () => {
    const kept = history(twelve.records.slice(0, 10), 4)
    const forkedFrom = { epoch: 0, seq: 10, size: 10, root: root(kept.log).toString('hex') }
    const start: EpochStart = {
      v: 1,
      stream,
      epoch: 1,
      seq: forkedFrom.seq + 1,
      at: '2026-11-23T10:00:00.000Z',
      forkedFrom,
    }
    const check = async (old: readonly TestRecord[]) =>
      codes(await verifyExport(linesOf([...old, start, recordOf(11, 1)], kept.notes), { keys: [key] }))
    expect(await check(twelve.records)).toEqual([])
    expect(await check(kept.records)).toEqual([])
    expect(await check(kept.records.with(9, recordOf(99)))).toEqual(['changed'])
    expect(await check(kept.records.slice(0, 9))).toEqual(['cut'])
  })

  it('names lines that it cannot read, and goes on', async () => {
    const bad = [
      null,
      7,
      {},
      { type: 'record', record: { seq: 1 } },
      { type: 'log', stream, epoch: 0, size: 3, range: '' },
    ]
    const unreadable = { type: 'record', record: { ...recordOf(1), action: '\ud83d' } }
    const report = await verifyExport([...bad, unreadable, ...linesOf(twelve.records, twelve.notes)], {
      keys: [key],
    })
    expect(report.problems.map(({ code }) => code)).toEqual(Array.from({ length: 6 }, () => 'line'))
    expect(report.problems[0]?.message).toContain('line 1')
    expect(report.logs).toMatchObject([{ provenSize: 12 }])
  })
})

function tamper(records: readonly TestRecord[], kind: string, at: number): TestRecord[] {
  const forged = { ...recordOf(at + 1), action: 'forged' }
  switch (kind) {
    case 'delete':
      return records.toSpliced(at, 1)
    case 'edit':
      return records.with(at, forged)
    case 'insert':
      return records.toSpliced(at, 0, forged)
    case 'reorder':
      return [...records.slice(at === 0 ? 1 : at), ...records.slice(0, at === 0 ? 1 : at)]
    default:
      return records.slice(0, at)
  }
}
