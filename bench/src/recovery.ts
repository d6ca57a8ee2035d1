// Recovery of a service from its bucket: commits a second, and the most memory its process held, without tree images and
// with them. `node bench/dist/recovery.js [commits] [agents] [keep]`: 20,000 commits, one agent, every version kept, where
// nothing is said; with `keep` 10 one version in ten. The disk needs some 3 KB a commit.
//
// The agents, their files and keys are made through the service's doors; the commits on top are written into the bucket by a
// generator with the service's own sealing and segment writer (`recovery/grow-stream.ts`). What is timed is
// `agentfs-server recover` from start to end, on the embedded Postgres, starting and making that included.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@agentfs/testkit'
import { bucketKeys } from './recovery/bucket-keys.js'
import { growStream } from './recovery/grow-stream.js'
import { storedStream } from './recovery/stored-stream.js'
import { type Timed, timedCommand } from './recovery/timed-command.js'
import { startService } from './running-service.js'
import { markdownTable } from './table.js'

const FILES = 200
const [commits = 20_000, agents = 1, keepEvery = 1] = process.argv.slice(2).map(Number)
if (![commits, agents, keepEvery].every((count) => Number.isSafeInteger(count) && count > 0)) {
  process.stderr.write('usage: node bench/dist/recovery.js [commits] [agents] [keep], numbers above 0\n')
  process.exit(2)
}

const note = (text: string): void => void process.stderr.write(`${text}\n`)
const scratch = await temporaryDirectory('bench-recovery')
const home = join(scratch.path, 'service')
const environment = { HOME: scratch.path, AGENTFS_HOME: home, METRICS_PORT: '0' }
try {
  note('making agents and files through the service')
  const service = await startService(scratch.path)
  const ids: string[] = []
  try {
    for (let number = 0; number < agents; number++) {
      const { id } = await service.client.createAgent({ name: `agent-${number}` })
      ids.push(id)
      const agent = service.client.agent(id)
      for (let file = 0; file < FILES; file++) await agent.files.write(`file-${file}.md`, `first ${file}`)
      await agent.flush({ until: 'stored' })
    }
  } finally {
    await service.program.stop()
  }
  const [tenantId = ''] = readdirSync(join(home, 'objects/tenants')).filter((name) => !/^[0-]+$/.test(name))
  const keys = await bucketKeys(home, tenantId)
  const from = performance.now()
  let bytes = 0
  for (const agentId of ids) {
    const folder = join(home, 'objects/tenants', tenantId, 'agents', agentId, 'seg')
    const stream = storedStream(folder, tenantId, agentId, keys.stream)
    const share = Math.ceil(commits / agents)
    const growth = { folder, tenantId, agentId, stream, contentKey: keys.content, commits: share, keepEvery }
    bytes += growStream(growth).bytes
  }
  note(`${commits} commits, ${(bytes / 1e6).toFixed(0)} MB, made in ${seconds(from)}`)
  const rows: string[][] = []
  const add = (name: string, { seconds: took, peakMiB }: Timed): void => {
    rows.push([name, `${took.toFixed(1)} s`, `${(commits / took).toFixed(0)}`, `${peakMiB.toFixed(0)} MiB`])
    note(rows.at(-1)?.join(', ') ?? '')
  }
  const recover = async (): Promise<Timed> => {
    rmSync(join(home, 'postgres'), { recursive: true })
    return timedCommand(['recover'], environment)
  }
  add('recover by replay', await recover())
  add('maintenance images', await timedCommand(['maintenance', 'images'], environment))
  add('recover with images', await recover())
  process.stdout.write(`${markdownTable(['command', 'took', 'commits/s', 'peak memory'], rows)}\n`)
} finally {
  await scratch.remove()
}

function seconds(from: number): string {
  return `${((performance.now() - from) / 1_000).toFixed(1)} s`
}
