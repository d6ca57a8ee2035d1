import { describe, expect, it } from '@jest/globals'
import { AgentfsError, type TokenAnswer } from '@agentfs/contracts'
import { TokenSource } from './token-source.js'

/** An exchange that gives numbered tokens of a minute, or fails as told, on a clock of its own. */
function exchange() {
  const state = { nowMs: 0, aheadMs: 0, calls: 0, failure: null as AgentfsError | null }
  const source = new TokenSource(
    (): Promise<TokenAnswer> => {
      state.calls++
      if (state.failure !== null) return Promise.reject(state.failure)
      const expiresAt = new Date(state.nowMs - state.aheadMs + 60_000).toISOString()
      return Promise.resolve({ accessToken: `token-${state.calls}`, expiresAt })
    },
    () => state.nowMs,
  )
  return { state, source }
}

const revoked = new AgentfsError('key_revoked')
const unreachable = new AgentfsError('unavailable', { unreachable: true })

describe('[SY-1] access tokens', () => {
  it('are renewed at two thirds of their life, once for all who ask', async () => {
    const { state, source } = exchange()
    expect(await Promise.all([source.current(), source.current()])).toEqual(['token-1', 'token-1'])
    state.nowMs = 39_000
    expect(await source.current()).toBe('token-1')
    state.nowMs = 41_000
    expect(await source.current()).toBe('token-2')
    expect(source.renewInMs()).toBe(40_000)
  })

  it('renewal impossible: the old token serves until it ends', async () => {
    const { state, source } = exchange()
    await source.current()
    state.failure = unreachable
    state.nowMs = 50_000
    expect(await source.current()).toBe('token-1')
    state.nowMs = 58_000
    await expect(source.current()).rejects.toMatchObject({ code: 'unavailable' })
    state.failure = null
    expect(await source.current()).toBe('token-4')
  })

  it('renewal refused: nobody gets a token any more, and nobody asks again', async () => {
    const { state, source } = exchange()
    await source.current()
    state.failure = revoked
    state.nowMs = 41_000
    await expect(source.current()).rejects.toMatchObject({ code: 'key_revoked' })
    await expect(source.current()).rejects.toMatchObject({ code: 'key_revoked' })
    expect(state.calls).toBe(2)
  })

  it('a key that has expired is refused like a revoked one', async () => {
    const { state, source } = exchange()
    state.failure = new AgentfsError('token_expired', { detail: 'this API key has expired' })
    await expect(source.current()).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(source.current()).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(state.calls).toBe(1)
  })

  it.each([-3_600_000, 3_600_000])(
    'are asked for once in a while on a clock that is wrong by %d ms',
    async (aheadMs) => {
      const { state, source } = exchange()
      state.aheadMs = aheadMs
      await source.current()
      expect(source.renewInMs()).toBe(200_000)
      state.nowMs = 100_000
      expect(await source.current()).toBe('token-1')
      state.nowMs = 201_000
      expect(await source.current()).toBe('token-2')
    },
  )
})
