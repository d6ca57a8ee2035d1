import { mintTenantScope } from '@agentfs/access'
import { uuidv7, XATTRS_BYTES_MAX } from '@agentfs/contracts'
import type { AgentHead, NodeRow } from '@agentfs/storage'
import { describe, expect, it } from '@jest/globals'
import { isSameHead, KnownPlaces } from './known-places.js'

const HEAD: AgentHead = {
  agentId: '0192f000-0000-7000-8000-000000000001',
  epoch: 1,
  headSeq: 7,
  headAt: new Date('2026-01-01T00:00:00.000Z'),
  stored: { epoch: 1, seq: 3 },
}

describe('the head that a place was found at', () => {
  it('[VIS-2] is another in another epoch, at another commit, or where a restored backup went on otherwise', () => {
    const later = new Date('2026-01-01T00:00:00.001Z')
    for (const change of [{ epoch: 2 }, { headSeq: 8 }, { headAt: later }, { headAt: null }])
      expect(isSameHead(HEAD, { ...HEAD, ...change })).toBe(false)
  })

  it('is the same when more of it has been stored', () => {
    expect(isSameHead(HEAD, { ...HEAD, stored: { epoch: 1, seq: 7 } })).toBe(true)
  })
})

describe('known places', () => {
  it('are fewer where extended attributes make them large: together they take some megabytes', () => {
    const scope = mintTenantScope(uuidv7())
    const value = Buffer.alloc(XATTRS_BYTES_MAX - 100).toString('base64')
    const known = (xattrs: NodeRow['xattrs'], count: number): number => {
      const places = new KnownPlaces()
      const refs = Array.from({ length: count }, (_, at) => ({ path: `${at}.md` }))
      for (const ref of refs)
        places.set(scope, HEAD.agentId, ref, { head: HEAD, node: nodeWith(xattrs), names: [] })
      return refs.filter((ref) => places.get(scope, HEAD.agentId, ref) !== undefined).length
    }
    expect(known(null, 1_000)).toBe(1_000)
    expect(known({ 'user.large': value }, 1_000)).toBeLessThan(100)
  })
})

function nodeWith(xattrs: NodeRow['xattrs']): NodeRow {
  const at = new Date(0)
  return {
    nodeId: uuidv7(),
    kind: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    size: 0,
    headVersion: null,
    number: 0,
    links: 1,
    target: null,
    xattrs,
    contentKeyId: null,
    createdAt: at,
    modifiedAt: at,
    modifiedBy: 'agent/one',
    seq: 1,
    deletedAt: null,
    deletedParent: null,
    deletedName: null,
  }
}
