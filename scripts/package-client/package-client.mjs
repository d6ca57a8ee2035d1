import { join } from 'node:path'
import { ROOT } from '../checkout/paths.mjs'
import { readCatalogue, writeCatalogue } from './catalogue.mjs'
import { packClient } from './pack-client.mjs'
import { packNode } from './pack-node.mjs'

/** Where the service looks for what it hands to other machines. */
const DOWNLOADS = join(ROOT, 'dist-downloads')

/**
 * Makes what a second machine needs: the client, and the pinned Node for this platform. Where nothing changed it costs
 * some tens of milliseconds. Gives the catalogue.
 */
export async function packageClient({ folder = DOWNLOADS, say = () => {} } = {}) {
  const before = readCatalogue(folder)
  const client = packClient({
    source: join(ROOT, 'apps', 'agent-client'),
    licence: join(ROOT, 'LICENSE'),
    folder,
    before: before.client,
  })
  const platform = `${process.platform}-${process.arch}`
  const ofPlatform = before.nodes.find((node) => node.platform === platform)
  const source = join(ROOT, 'node_modules', 'node')
  const node = await packNode({ source, folder, before: ofPlatform, say })
  // An operator may have put Nodes for other platforms there.
  const nodes = [...before.nodes.filter((other) => other.platform !== platform), node]
  const catalogue = { client, nodes }
  if (client !== before.client || node !== ofPlatform) writeCatalogue(folder, catalogue)
  return catalogue
}
