import { describe, expect, it } from '@jest/globals'
import { AgentfsError, HTTP_STATUS, type ErrorCode } from '@agentfs/contracts'
import { AgentfsClient } from '@agentfs/sdk'
import fc from 'fast-check'
import { backoffMs } from './backoff.js'
import { classifyFailure } from './failures.js'

describe('[SY-15] failures', () => {
  it('that may pass are tried again, after the time the service asked for', () => {
    expect(classifyFailure(new AgentfsError('rate_limited', { retryAfterSeconds: 7 }))).toEqual({
      kind: 'passing',
      unreachable: false,
      afterMs: 7_000,
    })
    expect(classifyFailure(new AgentfsError('unavailable', { unreachable: true }))).toMatchObject({
      kind: 'passing',
      unreachable: true,
    })
    expect(classifyFailure(new TypeError('anything'))).toMatchObject({ kind: 'passing' })
  })

  it('of every code lead somewhere, and only what will not pass is final', () => {
    const final = (Object.keys(HTTP_STATUS) as ErrorCode[]).filter(
      (code) => classifyFailure(new AgentfsError(code)).kind === 'final',
    )
    expect(final).not.toContain('unavailable')
    expect(final).not.toContain('epoch_changed')
    expect(final).not.toContain('key_revoked')
    // Not thrown to the rejected: the next version of the client pushes it.
    expect(final).not.toContain('client_too_old')
    expect(final).toContain('quota_exceeded')
    expect(final).toContain('forbidden')
  })

  it.each([401, 403, 404, 413])(
    '[DUR-5] of a proxy or a captive portal, which answers %d in our place, say nothing about the service',
    async (status) => {
      const page = () => Promise.resolve(new Response('<h1>Sign in to the network</h1>', { status }))
      const { sync } = new AgentfsClient({ url: 'http://127.0.0.1:1', fetch: page }).agent('a')
      const error: unknown = await sync.push(new Uint8Array(0), 1).catch((thrown: unknown) => thrown)
      expect(classifyFailure(error)).toEqual({ kind: 'passing', unreachable: true, afterMs: null })
    },
  )

  it('waits grow, stay below the most, and never fall to nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, chance) => {
          const ms = backoffMs(failures, { firstMs: 100, mostMs: 30_000, random: () => chance })
          return ms >= 50 && ms <= 30_000
        },
      ),
    )
  })
})
