import { describe, expect, it } from '@jest/globals'
import { chooseRuntime } from './choose-runtime.js'

const PINNED = { path: '/checkout/node_modules/node/bin/node', version: '24.21.0' }
const running = (version: string) => ({ path: '/usr/bin/node', version })

describe('which Node a command runs on', () => {
  it('goes over to the pinned Node from an older and from a newer major', () => {
    for (const version of ['20.10.0', '22.13.0', '25.0.0']) {
      expect(chooseRuntime(running(version), PINNED)).toEqual({ kind: 'pinned', path: PINNED.path })
    }
  })

  it('stays where the running Node is the pinned one, or of its major', () => {
    expect(chooseRuntime(PINNED, PINNED)).toEqual({ kind: 'here' })
    expect(chooseRuntime(running('24.1.0'), PINNED)).toEqual({ kind: 'here' })
  })

  it('without a pinned Node stays on one that is new enough, and refuses others', () => {
    for (const version of ['22.13.0', '22.20.1', '23.0.0', '26.0.0']) {
      expect(chooseRuntime(running(version), undefined)).toEqual({ kind: 'here' })
    }
    for (const version of ['20.20.2', '22.12.9', '21.99.0']) {
      expect(chooseRuntime(running(version), undefined)).toEqual({ kind: 'none' })
    }
  })
})
