import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AgentfsError, isUuid } from '@agentfs/contracts'
import type { AgentfsClient } from '@agentfs/sdk'
import { z } from 'zod'
import { makeFolders } from '../make-folders.js'
import { noSuchAgent } from '../missing-agent.js'

/** An agent, by id and name. */
export interface KnownAgent {
  readonly id: string
  readonly name: string
}

const index = z.record(z.string(), z.string())

/** Which ids the names of agents had when the service was last asked: an offline mount needs to know [SYNC, Client store]. */
export class AgentIndex {
  readonly #path: string

  constructor(stateDirectory: string, serviceUrl: string) {
    const host = new URL(serviceUrl).host.replace(/[^A-Za-z0-9.-]/g, '_')
    this.#path = join(stateDirectory, host, 'agents.json')
  }

  /** The agent of a name or id as last heard. */
  find(reference: string): KnownAgent | undefined {
    const known = this.#read()
    if (isUuid(reference)) {
      const name = Object.keys(known).find((it) => known[it] === reference)
      return name === undefined ? undefined : { id: reference, name }
    }
    const id = known[reference]
    return id === undefined ? undefined : { id, name: reference }
  }

  /** Remembers an agent. */
  remember(agent: KnownAgent): void {
    const known = Object.fromEntries(Object.entries(this.#read()).filter(([, id]) => id !== agent.id))
    makeFolders(dirname(this.#path), 0o700)
    const temporary = `${this.#path}.${process.pid}`
    writeFileSync(temporary, JSON.stringify({ ...known, [agent.name]: agent.id }), { mode: 0o600 })
    renameSync(temporary, this.#path)
  }

  #read(): Record<string, string> {
    try {
      return index.parse(JSON.parse(readFileSync(this.#path, 'utf8')))
    } catch {
      return {}
    }
  }
}

/** The agent to mount: asked of the service, made where it is new and may be, or as last known where nobody answers. */
export async function lookUpAgent(
  client: AgentfsClient,
  reference: string,
  known: AgentIndex,
  options: { create: boolean; onCreated: (agent: KnownAgent) => void },
): Promise<KnownAgent> {
  try {
    const agent = await client.getAgent(reference)
    known.remember(agent)
    return agent
  } catch (error) {
    if (!(error instanceof AgentfsError)) throw error
    if (error.details['unreachable'] === true || error.code === 'unavailable') {
      const offline = known.find(reference)
      if (offline !== undefined) return offline
      throw error
    }
    if (error.code !== 'not_found') throw error
    if (!options.create || isUuid(reference)) throw noSuchAgent(reference, error)
    const agent = await client.createAgent({ name: reference })
    known.remember(agent)
    options.onCreated(agent)
    return agent
  }
}
