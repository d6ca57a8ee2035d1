// `npm run package`: makes what the service hands to other machines, from the built client.
//   --platform linux-arm64   brings what another platform needs, too, and keeps it
//   --to DIR                 puts everything elsewhere
//   --client-only            leaves out the Node for machines with an older one
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { report } from './checkout/failure.mjs'
import { packageClient } from './package-client/package-client.mjs'

try {
  const { values } = parseArgs({
    options: {
      platform: { type: 'string', multiple: true },
      to: { type: 'string' },
      'client-only': { type: 'boolean' },
    },
  })
  const { client, nodes } = await packageClient({
    ...(values.to === undefined ? {} : { folder: resolve(values.to) }),
    platforms: values.platform ?? [],
    withNode: values['client-only'] !== true,
    say: (line) => process.stderr.write(`package: ${line}\n`),
  })
  for (const { file, version, bytes } of [client, ...nodes]) {
    process.stdout.write(`${file} ${version} ${(bytes / 1e6).toFixed(1)} MB\n`)
  }
} catch (error) {
  report(error)
}
