import { describe, expect, it } from '@jest/globals'
import { besideTheirManifests } from './segment-order.js'

const part = (id: string) => ({ id })
const manifest = (id: string, ...partIds: string[]) => ({ id, partIds })
const order = (...input: Parameters<typeof besideTheirManifests>) =>
  besideTheirManifests(...input)
    .map((entry) => (entry as { id: string }).id)
    .join(' ')

describe('the order of a segment', () => {
  it('puts parts before the manifest that names them, in the order given, and records last', () => {
    const parts = ['p1', 'p2', 'p3'].map(part)
    const manifests = [manifest('v1', 'p3', 'p1'), manifest('v2', 'p2')]
    expect(order(parts, manifests, [part('r1')])).toBe('p1 p3 v1 p2 v2 r1')
  })

  it('puts a part of several versions with the newest, and one that none names before all', () => {
    const parts = ['p1', 'p2'].map(part)
    expect(order(parts, [manifest('v1', 'p1'), manifest('v2', 'p1', 'elsewhere')], [])).toBe('p2 v1 p1 v2')
  })
})
