import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { join } from 'node:path'
import { AgentfsClient, isAgentfsError } from '@agentfs/sdk'
import { temporaryDirectory, type TemporaryDirectory } from '@agentfs/testkit'
import { Machine } from './harness/machine.js'
import { Service } from './harness/service.js'

let directory: TemporaryDirectory
let service: Service
let ours: AgentfsClient
let theirs: AgentfsClient
let theirKey: string

beforeAll(async () => {
  directory = await temporaryDirectory('acceptance')
  service = await Service.start({ home: join(directory.path, 'service') })
  ours = (await service.signup('ours')).client
  const other = await service.signup('theirs')
  theirs = other.client
  theirKey = other.key
})

afterAll(async () => {
  await service?.stop()
  await directory?.remove()
})

/** The code of the error a call ends in. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    return isAgentfsError(error) ? error.code : String(error)
  }
}

describe('[ISO-1] two tenants see nothing of each other', () => {
  it('by name, by id, by node, by list, by audit', async () => {
    const agent = await ours.createAgent({ name: 'private' })
    const written = await ours.agent('private').files.write('secret.md', 'ours')
    for (const reference of ['private', agent.id]) {
      expect(await codeOf(theirs.getAgent(reference))).toBe('not_found')
      expect(await codeOf(theirs.agent(reference).files.readText('secret.md'))).toBe('not_found')
      expect(await codeOf(theirs.agent(reference).files.write('x.md', 'theirs'))).toBe('not_found')
      expect(await codeOf(theirs.agent(reference).sync.snapshot())).toBe('not_found')
      expect(await codeOf(theirs.agent(reference).sync.content(written.node, written.version ?? ''))).toBe(
        'not_found',
      )
    }
    expect((await theirs.listAgents()).data).toEqual([])
    const seen = JSON.stringify((await theirs.auditEvents()).data)
    expect(seen).not.toContain('secret.md')
  })

  it('a missing agent and a foreign one answer alike', async () => {
    await ours.createAgent({ name: 'hidden' })
    const shape = async (name: string): Promise<unknown> => {
      const response = await fetch(`${service.url}/v1/agents/${name}`, {
        headers: { authorization: `Bearer ${theirKey}` },
      })
      const { requestId: _requestId, ...rest } = (await response.json()) as Record<string, unknown>
      return { status: response.status, ...rest }
    }
    const foreign = JSON.stringify(await shape('hidden')).replaceAll('hidden', 'NAME')
    const missing = JSON.stringify(await shape('absent')).replaceAll('absent', 'NAME')
    expect(foreign).toBe(missing)
  })

  it('both may have an agent of one name, and neither mount shows the other', async () => {
    await ours
      .agent('shared-name')
      .files.write('a.md', 'x')
      .catch(() => undefined)
    await ours.createAgent({ name: 'twin' })
    await theirs.createAgent({ name: 'twin' })
    await ours.agent('twin').files.write('ours.md', 'ours')
    const machine = new Machine({ home: join(directory.path, 'm'), service, token: theirKey, agent: 'twin' })
    const mount = await machine.mount()
    expect((await mount.shell('ls')).stdout).toBe('')
    expect((await mount.shell('cat ours.md')).code).not.toBe(0)
    await mount.unmount()
  })

  it('malformed, unknown and revoked credentials are refused', async () => {
    const probe = (token: string): Promise<string> =>
      codeOf(new AgentfsClient({ url: service.url, token }).whoami())
    expect(await probe('nonsense')).toBe('unauthenticated')
    expect(await probe(`${theirKey.slice(0, -1)}${theirKey.endsWith('0') ? '1' : '0'}`)).toBe(
      'unauthenticated',
    )
    const made = await theirs.createKey({ name: 'short-lived' })
    expect(await probe(made.secret)).toBe('none')
    await theirs.revokeKey(made.id)
    const deadline = Date.now() + 1_500
    let seen = 'none'
    while (Date.now() < deadline && seen === 'none') seen = await probe(made.secret)
    expect(['key_revoked', 'unauthenticated']).toContain(seen)
  })
})
