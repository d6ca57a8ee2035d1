// `npm run package`: makes what the service hands to other machines, from the built client. `--to DIR` puts it elsewhere.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { packageClient } from './package-client/package-client.mjs'

const { values } = parseArgs({ options: { to: { type: 'string' } } })
const { client, nodes } = await packageClient({
  ...(values.to === undefined ? {} : { folder: resolve(values.to) }),
  say: (line) => process.stderr.write(`package: ${line}\n`),
})
for (const { file, version, bytes } of [client, ...nodes]) {
  process.stdout.write(`${file} ${version} ${(bytes / 1e6).toFixed(1)} MB\n`)
}
