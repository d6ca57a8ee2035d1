import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../checkout/paths.mjs'
import { readCatalogue, writeCatalogue } from './catalogue.mjs'
import { fetchPlatform } from './fetch-platform.mjs'
import { packClient } from './pack-client.mjs'
import { packNode } from './pack-node.mjs'

/** Where the service looks for what it hands to other machines. */
const DOWNLOADS = join(ROOT, 'dist-downloads')

/**
 * Makes what a second machine needs: the client, and the pinned Node for this platform; where nothing changed it costs
 * some tens of milliseconds. `platforms` are others to bring from the registry, which stay from then on. Gives the
 * catalogue.
 */
export async function packageClient(options = {}) {
  const { folder = DOWNLOADS, withNode = true, platforms = [], say = () => {} } = options
  const before = readCatalogue(folder)
  // For the next start too, which asks no registry.
  const more = join(DOWNLOADS, 'platforms')
  const sources = withNode ? [pinnedNode()] : []
  for (const platform of platforms) {
    say(`bringing what ${platform} needs`)
    sources.push(await fetchPlatform(platform, more))
  }
  const client = packClient({
    source: join(ROOT, 'apps', 'agent-client'),
    more,
    licence: join(ROOT, 'LICENSE'),
    folder,
    before: before.client,
  })
  const nodes = new Map(before.nodes.map((node) => [node.platform, node]))
  for (const source of sources) {
    const { platform } = source
    nodes.set(platform, await packNode({ ...source, folder, before: nodes.get(platform), say }))
  }
  const catalogue = { client, nodes: [...nodes.values()] }
  if (JSON.stringify(catalogue) !== JSON.stringify(before)) writeCatalogue(folder, catalogue)
  return catalogue
}

function pinnedNode() {
  const source = join(ROOT, 'node_modules', 'node')
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  return {
    platform: `${process.platform}-${process.arch}`,
    version,
    program: join(source, 'bin', 'node'),
  }
}
