import { readFileSync } from 'node:fs'
import { isAgentfsError } from '@agentfs/contracts'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type BlockRecord, decodeRecordBlock, encodeRecordBlock } from './record-block.js'

interface BlockFixture {
  readonly block: string
  readonly records: readonly { readonly recordId: string; readonly seq: number; readonly text: string }[]
}

const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/record-block-v1.json', import.meta.url), 'utf8'),
) as BlockFixture
const block = Buffer.from(fixture.block, 'hex')

const blocks = fc
  .tuple(
    fc.nat(Number.MAX_SAFE_INTEGER - 100),
    fc.array(fc.record({ recordId: fc.uuid(), text: fc.string({ unit: 'binary' }) }), {
      minLength: 1,
      maxLength: 50,
    }),
  )
  .map(([first, records]) =>
    records.map(({ recordId, text }, index): BlockRecord => ({
      recordId,
      seq: first + index,
      text: Buffer.from(text, 'utf8'),
    })),
  )

describe('a block of records', () => {
  it('[AUD-1] gives back every record, byte for byte', () => {
    fc.assert(
      fc.property(blocks, (records) => {
        const plain = (some: readonly BlockRecord[]) =>
          some.map(({ recordId, seq, text }) => [recordId, seq, Buffer.from(text).toString('hex')])
        expect(plain(decodeRecordBlock(encodeRecordBlock(records)))).toEqual(plain(records))
      }),
    )
  })

  it('reads the block of its first version', () => {
    const read = decodeRecordBlock(block)
    expect(read.map(({ text, ...record }) => ({ ...record, text: Buffer.from(text).toString() }))).toEqual(
      fixture.records,
    )
  })

  it('refuses what is cut, longer, or of another kind, and never fails otherwise', () => {
    for (let length = 0; length < block.length; length++) expectCorrupt(block.subarray(0, length))
    for (const at of [0, 3, 4, 5, 7, 8, 11, 12]) {
      const damaged = Buffer.from(block)
      damaged[at] = damaged[at]! ^ 0x41
      expectCorrupt(damaged)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expectCorrupt(bytes)
        expectCorrupt(Buffer.concat([block.subarray(0, 12), bytes]))
      }),
    )
  })

  it('takes no gap, and no empty block', () => {
    const text = Buffer.from('{}')
    const recordId = '01890000-0000-7000-8000-000000000001'
    expect(() => encodeRecordBlock([])).toThrow(expect.objectContaining({ code: 'invalid_request' }))
    const gap = [1, 3].map((seq) => ({ recordId, seq, text }))
    expect(() => encodeRecordBlock(gap)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })
})

function expectCorrupt(bytes: Uint8Array): void {
  try {
    decodeRecordBlock(bytes)
  } catch (error) {
    if (isAgentfsError(error, 'object_corrupt')) return
    throw error
  }
  throw new Error('it was read')
}
