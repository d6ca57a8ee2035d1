import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { RATE_LIMITS } from '../index.js'
import { startService, type TestService } from './service.js'

describe('limits', () => {
  let service: TestService
  beforeAll(async () => {
    service = await startService({
      rateLimits: {
        ...RATE_LIMITS,
        credential: { burst: 20, perSecond: 0.5 },
        refusedCredential: { burst: 3, perSecond: 0.001 },
        guess: { burst: 4, perSecond: 0.001 },
      },
    })
  })
  afterAll(() => service.close())

  it('hold one credential to its rate and say when to come back, and no other', async () => {
    const [busy, calm] = [await service.signup(), await service.signup()]
    const answers = await Promise.all(Array.from({ length: 30 }, () => busy.http.get('/v1/whoami')))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(5)
    expect(refused[0]?.json()['code']).toBe('rate_limited')
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    expect((await calm.http.get('/v1/whoami')).status).toBe(200)
  })

  it('stop guessing: of passwords, and of credentials', async () => {
    const guess = async (): Promise<number> =>
      (await service.http().post('/v1/auth/login', { email: 'a@example.com', password: 'guess' })).status
    const guesses = [await guess(), await guess(), await guess(), await guess(), await guess()]
    expect(guesses.at(-1)).toBe(429)
    const statuses: number[] = []
    for (let at = 0; at < 6; at++) statuses.push((await service.http(`wrong-${at}`).get('/v1/whoami')).status)
    expect(statuses.slice(0, 3)).toEqual([401, 401, 401])
    expect(statuses.at(-1)).toBe(429)
  })
})
