import { describe, expect, it } from '@jest/globals'
import type { KeyScope } from '@agentfs/contracts'
import fc from 'fast-check'
import { decide, type AccessRequest } from './decide.js'
import { narrowScope } from './narrow.js'
import { mintTenantScope } from './tenant-scope.js'

const TENANT = '01890000-0000-7000-8000-000000000001'
const AGENT = '01890000-0000-7000-8000-000000000002'
const ALL: KeyScope = { role: 'manager', agents: null, prefixes: null, cidrs: null, expiresAt: null }

function request(limits: Partial<KeyScope>, rest: Partial<AccessRequest> = {}): AccessRequest {
  return {
    principal: {
      scope: mintTenantScope(TENANT),
      actor: { kind: 'key', id: 'k' },
      keyId: 'k',
      limits: { ...ALL, ...limits },
    },
    agentId: AGENT,
    path: 'notes/a.md',
    action: 'read',
    address: '10.1.2.3',
    nowMs: Date.parse('2026-06-01T00:00:00Z'),
    ...rest,
  }
}

describe('[ACL-1] the decision', () => {
  it('a role allows what it needs and what is below', () => {
    expect(decide(request({ role: 'reader' })).allowed).toBe(true)
    expect(decide(request({ role: 'reader' }, { action: 'write' })).allowed).toBe(false)
    expect(decide(request({ role: 'writer' }, { action: 'write' })).allowed).toBe(true)
    expect(decide(request({ role: 'writer' }, { action: 'manage' })).allowed).toBe(false)
  })

  it('on the way to a prefix nothing but directories shows, where it is known what stands there', () => {
    const limits = { prefixes: ['notes/private'] }
    expect(decide(request(limits, { path: 'notes', kind: 'directory' })).allowed).toBe(true)
    for (const kind of ['file', 'symlink'] as const) {
      expect(decide(request(limits, { path: 'notes', kind })).visible).toBe(false)
      expect(decide(request(limits, { path: 'notes/private', kind })).allowed).toBe(true)
    }
  })

  it('prefixes end at segment borders; the way to one may be listed and nothing else', () => {
    const limits = { prefixes: ['notes/private'] }
    expect(decide(request(limits, { path: 'notes/private/x.md' })).allowed).toBe(true)
    expect(decide(request(limits, { path: 'notes/privateer.md' })).visible).toBe(false)
    expect(decide(request(limits, { path: 'notes' })).allowed).toBe(true)
    expect(decide(request(limits, { path: 'notes', action: 'write' })).allowed).toBe(false)
  })

  it('other agents, networks and a time past are refused as if nothing were there', () => {
    expect(decide(request({ agents: [TENANT] })).visible).toBe(false)
    expect(decide(request({ cidrs: ['192.168.0.0/16'] })).visible).toBe(false)
    expect(decide(request({ cidrs: ['10.0.0.0/8'] })).allowed).toBe(true)
    expect(decide(request({ cidrs: ['10.0.0.0/8'] }, { address: '::ffff:10.9.9.9' })).allowed).toBe(true)
    expect(decide(request({ cidrs: ['10.0.0.0/8'] }, { address: null })).visible).toBe(false)
    expect(decide(request({ expiresAt: '2026-01-01T00:00:00Z' })).visible).toBe(false)
  })

  it('without a grant nothing is visible, whatever the key says', () => {
    expect(decide(request({}, { grants: [] })).visible).toBe(false)
    expect(decide(request({}, { grants: [{ role: 'reader', depth: 0 }], action: 'write' })).allowed).toBe(
      false,
    )
  })

  it('[ACL-4] says why', () => {
    const { reasons } = decide(request({ role: 'reader' }, { action: 'write' }))
    expect(reasons.filter((reason) => !reason.passed).map((reason) => reason.rule)).toEqual(['key_role'])
  })

  it('[ACL-1] a narrowed scope never allows what the wider one refuses', () => {
    const scope = fc.record<KeyScope>({
      role: fc.constantFrom('reader', 'writer', 'manager'),
      agents: fc.constantFrom(null, [AGENT], [TENANT]),
      prefixes: fc.constantFrom(null, ['notes'], ['notes/a.md', 'other'], ['other']),
      cidrs: fc.constantFrom(null, ['10.0.0.0/8'], ['192.168.0.0/16']),
      expiresAt: fc.constantFrom(null, '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'),
    })
    const narrowing = fc.record(
      {
        role: fc.constantFrom<'reader' | 'writer' | 'manager'>('reader', 'writer', 'manager'),
        agents: fc.constantFrom<string[][]>([AGENT], [TENANT]),
        prefixes: fc.constantFrom<string[][]>(['notes'], ['notes/a.md'], ['']),
        cidrs: fc.constantFrom<string[][]>(['0.0.0.0/0']),
        expiresAt: fc.constantFrom<string[]>('2026-01-01T00:00:00Z', '2028-01-01T00:00:00Z'),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(scope, narrowing, fc.constantFrom('read', 'write', 'manage'), (wide, to, action) => {
        let narrow: KeyScope
        try {
          narrow = narrowScope(wide, to)
        } catch {
          return true
        }
        const before = decide(request(wide, { action }))
        const after = decide(request(narrow, { action }))
        return !after.allowed || before.allowed
      }),
      { numRuns: 1_000 },
    )
  })
})
