import { randomBytes } from 'node:crypto'
import { isAgentfsError, uuidv7 } from '@agentfs/contracts'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { decodeKeyLedger, encodeKeyLedger } from './key-ledger-format.js'

const tenant = uuidv7()
const id = fc.uuid({ version: 7 })
const at = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
const wrapped = fc.uint8Array({ minLength: 65, maxLength: 65 }).map((bytes) => Buffer.from(bytes))
const rows = fc.record({
  keks: fc.array(fc.record({ kekVersion: fc.nat(), wrapped, kms: fc.string(), createdAt: at })),
  keys: fc.array(
    fc.record({
      keyId: id,
      purpose: fc.constantFrom('content', 'stream', 'subject', 'audit'),
      agentId: fc.option(id),
      nodeId: fc.option(id),
      keyVersion: fc.nat(),
      kekVersion: fc.nat(),
      wrapped,
      createdAt: at,
    }),
  ),
  tombstones: fc.array(fc.record({ keyId: id, reason: fc.string(), at, record: fc.option(wrapped) })),
})

describe('a key ledger object', () => {
  it('[DUR-6] gives back the rows it was made of', () => {
    fc.assert(
      fc.property(rows, (some) => {
        expect(decodeKeyLedger(tenant, 'keys/x', encodeKeyLedger(tenant, some))).toEqual(some)
      }),
    )
  })

  it('[ENC-2] is refused, by name, when it was cut, is something else, or is another tenant’s', () => {
    const whole = encodeKeyLedger(tenant, { keks: [], keys: [], tombstones: [] })
    const bad = [
      whole.subarray(0, whole.length - 3),
      randomBytes(40),
      encodeKeyLedger(uuidv7(), { keks: [], keys: [], tombstones: [] }),
    ]
    for (const body of bad) {
      const refusal = attempt(() => decodeKeyLedger(tenant, 'keys/x', body))
      expect(isAgentfsError(refusal, 'object_corrupt')).toBe(true)
      expect(refusal).toMatchObject({ details: { object: 'keys/x' } })
    }
  })
})

function attempt(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}
