import { describe, expect, it } from '@jest/globals'
import { type Circuit, CircuitMetrics } from './circuit-metrics.js'

describe('[OUT-1] the metrics of circuits', () => {
  it('tell the state as it is when somebody looks, and what was refused since the start', async () => {
    let reading: Circuit = { state: 'closed', openings: 0, refusals: 0 }
    const writing: Circuit = { state: 'trying', openings: 1, refusals: 4 }
    const { registry } = new CircuitMetrics(new Map([['objects', () => ({ reading, writing })]]))
    const lines = async () =>
      (await registry.metrics()).split('\n').filter((line) => line.startsWith('agentfs'))
    expect(await lines()).toEqual([
      'agentfs_object_store_circuit{store="objects",direction="reading"} 0',
      'agentfs_object_store_circuit{store="objects",direction="writing"} 1',
      'agentfs_object_store_circuit_openings_total{store="objects",direction="reading"} 0',
      'agentfs_object_store_circuit_openings_total{store="objects",direction="writing"} 1',
      'agentfs_object_store_refusals_total{store="objects",direction="reading"} 0',
      'agentfs_object_store_refusals_total{store="objects",direction="writing"} 4',
    ])
    reading = { state: 'open', openings: 1, refusals: 9 }
    expect(await lines()).toContain('agentfs_object_store_circuit{store="objects",direction="reading"} 2')
    expect(await lines()).toContain(
      'agentfs_object_store_refusals_total{store="objects",direction="reading"} 9',
    )
  })
})
