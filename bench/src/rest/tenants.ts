import { AgentfsClient } from '@agentfs/sdk'

/** An agent with a key that may use it. */
export interface Home {
  readonly url: string
  readonly agentId: string
  readonly rootId: string
  readonly key: string
}

/** Signs up a tenant with some agents, each with a key of its own: one credential may not ask without limit. */
export async function makeTenant(url: string, name: string, agents: number): Promise<Home[]> {
  const { apiKey } = await new AgentfsClient({ url }).signup({
    email: `${name}@example.com`,
    password: 'a password for the bench',
    tenant: name,
  })
  const client = new AgentfsClient({ url, token: apiKey.secret })
  const homes: Home[] = []
  for (let at = 0; at < agents; at++) {
    const agent = await client.createAgent({ name: `agent-${at}` })
    const key = await client.createKey({ name: `key-${at}`, role: 'writer' })
    homes.push({ url, agentId: agent.id, rootId: agent.root, key: key.secret })
  }
  return homes
}
