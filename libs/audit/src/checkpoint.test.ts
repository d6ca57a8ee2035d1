import { describe, expect, it } from '@jest/globals'
import {
  type Checkpoint,
  checkpointHash,
  encodeCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from './checkpoint.js'
import { ed25519PrivateKey, ed25519PublicKey, ed25519RawPublicKey } from './ed25519.js'

const privateKey = ed25519PrivateKey(Buffer.alloc(32, 1))
const signer = { name: 'agentfs.example/audit', privateKey }
const verifier = { name: signer.name, publicKey: ed25519PublicKey(ed25519RawPublicKey(privateKey)) }
const stream = (last: string, epoch: number) => ({
  stream: `0192f000-0000-7000-8000-00000000000${last}`,
  epoch,
  size: 12,
  root: 'ab'.repeat(32),
})
const checkpoint: Checkpoint = {
  tenant: '0192f000-0000-7000-8000-000000000001',
  number: 2,
  at: '2026-11-22T10:00:00.123Z',
  previous: 'cd'.repeat(32),
  streams: [stream('3', 0), stream('3', 1), stream('4', 0)],
}

describe('[AUD-3] a checkpoint', () => {
  it('opens as it was signed, under the known key only', () => {
    const note = signCheckpoint(checkpoint, signer)
    expect(verifyCheckpoint(note, [verifier])).toEqual(checkpoint)
    const stranger = ed25519PublicKey(ed25519RawPublicKey(ed25519PrivateKey(Buffer.alloc(32, 2))))
    const corrupt = expect.objectContaining({ code: 'object_corrupt' })
    expect(() => verifyCheckpoint(note, [{ ...verifier, publicKey: stranger }])).toThrow(corrupt)
    expect(() => verifyCheckpoint(note.replace(' 12 ', ' 13 '), [verifier])).toThrow(corrupt)
  })

  it('has one text, whatever the order its streams came in', () => {
    const shuffled = { ...checkpoint, streams: [...checkpoint.streams].toReversed() }
    expect(encodeCheckpoint(shuffled)).toBe(encodeCheckpoint(checkpoint))
    expect(parseCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint)
    expect(checkpointHash(shuffled)).toBe(checkpointHash(checkpoint))
  })

  it('keeps its text in every release', () => {
    const first = { ...checkpoint, number: 1, previous: null, streams: [stream('3', 0)] }
    expect(signCheckpoint(first, signer)).toMatchInlineSnapshot(`
      "agentfs/checkpoint/v1
      tenant 0192f000-0000-7000-8000-000000000001
      number 1
      at 2026-11-22T10:00:00.123Z
      previous -
      stream 0192f000-0000-7000-8000-000000000003 0 12 abababababababababababababababababababababababababababababababab

      — agentfs.example/audit YWVRYBO0eVczI3rViPL44pIy66LKMj4agH2tqvgK7eiyEI+fh4sb7GsVQl7qMetbr9NS6MEs+v3kPdRezYmedtykpw4=
      "
    `)
  })

  it.each([
    ['a stream twice', { streams: [stream('3', 0), stream('3', 0)] }],
    ['no previous but a number above 1', { previous: null }],
    ['number 1 and a previous', { number: 1 }],
    ['a size that is no count', { streams: [{ ...stream('3', 0), size: 1.5 }] }],
    ['a time in another form', { at: '2026-11-22T10:00:00Z' }],
    ['a line smuggled into a field', { at: '2026-11-22T10:00:00.123Z\nprevious -' }],
  ])('is not made with %s', (_, change) => {
    expect(() => encodeCheckpoint({ ...checkpoint, ...change })).toThrow(RangeError)
  })

  it('is refused with lines out of order, unknown ones, or anything behind it', () => {
    const text = encodeCheckpoint(checkpoint)
    const lines = text.split('\n')
    const corrupt = expect.objectContaining({ code: 'object_corrupt' })
    const swapped = [...lines.slice(0, 5), lines[6], lines[5], ...lines.slice(7)].join('\n')
    for (const wrong of [swapped, `${text}\n`, `${text}extra\n`, text.slice(0, -1), ''])
      expect(() => parseCheckpoint(wrong)).toThrow(corrupt)
  })
})
