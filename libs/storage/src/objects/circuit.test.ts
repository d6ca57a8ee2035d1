import { AgentfsError } from '@agentfs/contracts'
import { beforeEach, describe, expect, it } from '@jest/globals'
import { Circuit } from './circuit.js'

describe('the circuit before a store', () => {
  let nowMs: number
  let circuit: Circuit
  let asked: number

  beforeEach(() => {
    nowMs = 1_000_000
    asked = 0
    circuit = new Circuit({ nowMs: () => nowMs, random: () => 0 })
  })

  const call = (work: (signal: AbortSignal) => Promise<string>, limitMs = 5_000, signal?: AbortSignal) =>
    circuit.run({
      object: 'key',
      limitMs,
      signal,
      work: (cut) => {
        asked++
        return work(cut)
      },
    })
  const good = () => call(() => Promise.resolve('good'))
  const failing = (code: 'unavailable' | 'not_found' | 'internal', details = {}) =>
    call(() => Promise.reject(new AgentfsError(code, details))).catch((error: unknown) => error)
  const opened = async () => {
    await failing('unavailable')
    await failing('unavailable')
    asked = 0
  }

  it('opens when two calls fail and none succeeds between, and then refuses at once, with a time to come again', async () => {
    await failing('unavailable')
    await good()
    await failing('unavailable')
    expect(circuit.report).toEqual({ state: 'closed', openings: 0, refusals: 0 })
    await failing('unavailable')
    expect(circuit.report.state).toBe('open')
    asked = 0
    await expect(good()).rejects.toMatchObject({
      code: 'unavailable',
      details: { object: 'key', retryAfterSeconds: 1 },
    })
    expect(() => circuit.assertPassable('key')).toThrow('away')
    expect(asked).toBe(0)
    expect(circuit.report).toEqual({ state: 'open', openings: 1, refusals: 2 })
  })

  it.each(['not_found', 'internal'] as const)('takes %s for an answer, however often', async (code) => {
    await failing('unavailable')
    for (let count = 0; count < 10; count++) expect(await failing(code)).toMatchObject({ code })
    await failing('unavailable')
    expect(circuit.report.state).toBe('closed')
  })

  it('lets one call try after the pause while others wait for it, and all through once it succeeds', async () => {
    await opened()
    nowMs += 1_000
    expect(circuit.report.state).toBe('trying')
    const trial = Promise.withResolvers<string>()
    const first = call(() => trial.promise)
    const others = [good(), good(), good()]
    await Promise.resolve()
    expect(asked).toBe(1)
    trial.resolve('back')
    expect(await Promise.all([first, ...others])).toEqual(['back', 'good', 'good', 'good'])
    expect(circuit.report.state).toBe('closed')
  })

  it('refuses those who waited where the trial fails, and pauses twice as long each time, 30 s at most', async () => {
    await opened()
    for (const pauseMs of [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      nowMs += 60_000
      const [, waited] = await Promise.allSettled([failing('unavailable'), good()])
      expect(waited).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
      nowMs += pauseMs - 1
      expect(circuit.report.state).toBe('open')
      nowMs += 1
      expect(circuit.report.state).toBe('trying')
    }
    await good()
    await opened()
    nowMs += 1_000
    expect(circuit.report.state).toBe('trying')
  })

  it('gives the one that tries time for its body, while others wait 2 s at most', async () => {
    await opened()
    nowMs += 1_000
    const body = Promise.withResolvers<string>()
    const large = { object: 'large', limitMs: 60_000, bodyMs: 30_000, signal: undefined }
    const trial = circuit.run({ ...large, work: () => body.promise })
    await expect(good()).rejects.toMatchObject({ code: 'unavailable' })
    body.resolve('stored')
    expect(await trial).toBe('stored')
    expect(circuit.report.state).toBe('closed')
  })

  it('pauses as long as the store asks, a minute at most', async () => {
    await failing('unavailable', { retryAfterSeconds: 7 })
    await failing('unavailable', { retryAfterSeconds: 7 })
    await expect(good()).rejects.toMatchObject({ details: { retryAfterSeconds: 7 } })
    nowMs += 7_000
    await failing('unavailable', { retryAfterSeconds: 3_600 })
    await expect(good()).rejects.toMatchObject({ details: { retryAfterSeconds: 60 } })
  })

  it('opens when a call hangs beyond its limit, and ends those that are under way, deaf ones too', async () => {
    const deaf = () => Promise.withResolvers<string>().promise
    const began = performance.now()
    const outcomes = await Promise.allSettled([call(deaf, 30), call(deaf, 60_000), call(deaf, 60_000)])
    expect(performance.now() - began).toBeLessThan(10_000)
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
    expect(circuit.report).toMatchObject({ state: 'open', openings: 1 })
  })

  it('ends only the slow call where others are answered meanwhile', async () => {
    const slow = call(() => Promise.withResolvers<string>().promise, 50)
    nowMs += 10
    await good()
    await expect(slow).rejects.toMatchObject({ code: 'unavailable' })
    expect(circuit.report.state).toBe('closed')
  })

  it('throws the reason of the caller who gives up, and does not count it', async () => {
    for (let count = 0; count < 3; count++) {
      const caller = new AbortController()
      const given = call(
        (cut) =>
          new Promise((_resolve, reject) => {
            cut.addEventListener('abort', () => reject(new AgentfsError('unavailable', {})))
          }),
        5_000,
        caller.signal,
      )
      caller.abort(new Error('gave up'))
      await expect(given).rejects.toThrow('gave up')
    }
    expect(circuit.report).toEqual({ state: 'closed', openings: 0, refusals: 0 })
  })
})
