import { describe, expect, it } from '@jest/globals'
import { AgentfsError, pushRequest, uuidv7 } from '@agentfs/contracts'
import fc from 'fast-check'
import { decodeWire, encodeWire, wireFormatOf } from './wire.js'

function push(data: Uint8Array): unknown {
  const [node, version] = [uuidv7(), uuidv7()]
  return {
    store: uuidv7(),
    number: 1,
    previous: null,
    operations: [
      { op: 'write', node, base: null, version, size: data.length, extents: [{ offset: 0, data }] },
      { op: 'append', node, version: uuidv7(), data },
      {
        op: 'replace',
        source: node,
        from: { parent: node, name: 'a' },
        target: version,
        to: { parent: node, name: 'b' },
        base: null,
        version,
        content: { size: data.length, extents: [{ offset: 0, data }] },
      },
    ],
  }
}

/** A push with its bytes as hex, whatever class carries them. */
function plain(value: unknown): unknown {
  return JSON.parse(encodeWire('json', value).toString('utf8'))
}

describe('sync bodies', () => {
  it.each(['msgpack', 'json'] as const)('carry every byte, as %s', (format) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const sent = pushRequest.parse(push(data))
        const read = pushRequest.parse(decodeWire(format, encodeWire(format, sent)))
        expect(plain(read)).toEqual(plain(sent))
      }),
    )
  })

  it('are refused where they are neither', () => {
    for (const [format, text] of [
      ['json', '{'],
      ['json', '{"data":"%%%"}'],
      ['msgpack', '\xda\x01'],
      ['json', '['.repeat(200_000)],
    ] as const) {
      expect(() => decodeWire(format, Buffer.from(text, 'latin1'))).toThrow(AgentfsError)
    }
  })

  it('are told apart by content type', () => {
    expect(wireFormatOf('application/msgpack')).toBe('msgpack')
    expect(wireFormatOf('Application/JSON; charset=utf-8')).toBe('json')
    expect(wireFormatOf('text/plain')).toBeNull()
    expect(wireFormatOf(undefined)).toBeNull()
  })
})
