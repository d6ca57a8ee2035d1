import type { Agent } from '@agentfs/contracts'
import type { AgentHandle } from '@agentfs/sdk'
import { planExport } from './export-plan.js'
import { bytesOf } from './export-target.js'
import type { ImportSource } from './import-source.js'
import type { VersionLine } from './manifest.js'
import { nodesOfManifest } from './source-of-manifest.js'
import { VersionContents } from './version-contents.js'

/** Another agent's home, or a folder of it, as of one seq. */
export async function agentSource(
  agent: AgentHandle,
  about: Agent,
  path: string,
  which: 'all' | 'head',
  deleted: boolean,
  signal: AbortSignal,
): Promise<ImportSource> {
  const plan = await planExport(agent, about, { path, versions: which, form: 'plain', deleted }, signal)
  const contents = new VersionContents(agent, signal)
  const taken = nodesOfManifest(plan, which, (version) => contentOf(contents, version))
  return {
    name: `agent:${about.name}${path === '' ? '' : `/${path}`}`,
    ...taken,
    close: () => Promise.resolve(),
  }
}

async function* contentOf(contents: VersionContents, version: VersionLine): AsyncGenerator<Uint8Array> {
  const content = await contents.one(version)
  if (content.kind === 'missing') throw new Error(content.reason)
  yield* bytesOf(content)
}
