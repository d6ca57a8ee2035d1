import { describe, expect, it } from '@jest/globals'
import { ConfigError, isLoopback, readConfig } from './config.js'

describe('the configuration', () => {
  it('has a default for everything', () => {
    const config = readConfig({ AGENTFS_HOME: '/var/lib/agentfs' })
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 7333,
      home: '/var/lib/agentfs',
      objectStore: 'file:///var/lib/agentfs/objects',
      kms: 'file:///var/lib/agentfs/keys/kms.json',
      signup: 'default',
      trustProxy: false,
      databaseUrl: undefined,
      redisUrl: undefined,
    })
    expect(readConfig({}).home).toMatch(/\.agentfs$/)
  })

  it('names every problem at once', () => {
    const wrong = {
      PORT: 'abc',
      REDIS_URL: 'http://x',
      OBJECT_STORE: 'ftp://x',
      KMS: 'nonsense',
      DATABASE_URL: 'mysql://x',
      AGENTFS_SIGNUP: 'maybe',
      AGENTFS_TLS_CERT: '/cert.pem',
      METRICS_PORT: '70000',
      AGENTFS_STAGED_BYTES_MAX: '-1',
      AGENTFS_STAGED_BYTES_PER_TENANT_MAX: 'much',
      AGENTFS_KEY_LEASE_SECONDS: '900',
    }
    const refusal = attempt(() => readConfig(wrong))
    expect(refusal).toBeInstanceOf(ConfigError)
    for (const name of Object.keys(wrong)) expect(String(refusal)).toContain(name)
  })

  it('[OUT-1] takes the limits of outages', () => {
    const { limits } = readConfig({ AGENTFS_STAGED_BYTES_MAX: '1000000', AGENTFS_KEY_LEASE_SECONDS: '20' })
    expect(limits).toEqual({ stagedBytesMax: 1_000_000, kekLeaseMs: 20_000 })
  })

  it('takes an empty variable as one that is not set', () => {
    expect(readConfig({ PORT: '', REDIS_URL: '', AGENTFS_TLS_CERT: '' })).toMatchObject({
      port: 7333,
      tls: undefined,
    })
  })

  it('wants codes for invitations, and takes several Redis seeds', () => {
    expect(String(attempt(() => readConfig({ AGENTFS_SIGNUP: 'invite' })))).toContain('AGENTFS_INVITES')
    expect(readConfig({ AGENTFS_SIGNUP: 'invite', AGENTFS_INVITES: 'one, two' }).invites).toEqual([
      'one',
      'two',
    ])
    expect(readConfig({ REDIS_URL: 'redis://a:1, redis://b:2' }).redisUrl).toContain('redis://b:2')
  })

  it('knows which addresses only this machine reaches', () => {
    expect(['localhost', '127.0.0.1', '127.1.2.3', '::1'].every(isLoopback)).toBe(true)
    expect(['0.0.0.0', '::', '10.0.0.1', '127.evil.example', 'example.com'].some(isLoopback)).toBe(false)
  })
})

function attempt(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}
