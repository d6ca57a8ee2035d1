import { readFileSync } from 'node:fs'
import type { Downloads } from './downloads.js'

/**
 * The installer that `curl -fsSL <service>/install.sh | sh` runs: apps/api/install/install.sh, with the address it was
 * loaded from and the digests of what it loads. Throws where the address is not one that can stand between the
 * script's quotes.
 */
export function installScript(serviceUrl: string, { client, nodes }: Downloads): string {
  if (!SAFE_URL.test(serviceUrl)) throw new Error('this is no plain http or https address')
  const values: Readonly<Record<string, string>> = {
    '@service@': serviceUrl,
    '@client_version@': client.version,
    '@client_sha256@': client.sha256,
    '@runtimes@': nodes.map((node) => `${node.platform}:${node.version}:${node.sha256}`).join(' '),
  }
  return TEMPLATE.replaceAll(/'(@\w+@)'/g, (quoted, name: string) => {
    const value = values[name]
    return value === undefined ? quoted : `'${value}'`
  })
}

const SAFE_URL = /^https?:\/\/[A-Za-z0-9._~:/[\]%-]+$/

// The same place seen from src/service and dist/service.
const TEMPLATE = readFileSync(new URL('../../install/install.sh', import.meta.url), 'utf8')
