import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from '@jest/globals'
import { waitFor } from '../wait-for.js'

// Node strips the types of our sources by itself; only their imports' endings need help.
const HOOKS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({
    resolve(name, context, next) {
      const ours = context.parentURL?.endsWith('.ts') && name.startsWith('.')
      return next(ours ? name.replace(/js$/, 'ts') : name, context)
    },
  })
`)}`

it('a test process that is killed leaves no Postgres and no data behind', async () => {
  const source = new URL('./postgres-cluster.ts', import.meta.url).href
  const script = `
    const { startPostgres } = await import(${JSON.stringify(source)})
    const cluster = await startPostgres()
    console.log(JSON.stringify({ pid: cluster.pid, dataDirectory: cluster.dataDirectory }))
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, [
    '--no-warnings',
    '--import',
    HOOKS,
    '--input-type=module',
    '-e',
    script,
  ])
  let said = ''
  let complaint = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const line = await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(complaint)
      return /.*(?=\n)/.exec(said)?.[0]
    },
    { deadlineMs: 20_000, what: 'the child to start its Postgres' },
  )
  const started: unknown = JSON.parse(line)
  const { pid, dataDirectory } = started as { pid: number; dataDirectory: string }
  expect(stateOf(pid)).not.toBe('')
  expect(existsSync(dataDirectory)).toBe(true)
  child.kill('SIGKILL')
  await waitFor(() => !existsSync(dataDirectory), { deadlineMs: 10_000, what: 'the data to go' })
  expect(stateOf(pid)).toMatch(/^Z?$/)
})

/** '' once the process is gone; `Z` where it has ended and waits for a slow init to notice. */
function stateOf(pid: number): string {
  // Field 3 of stat, after the name in brackets; where there is no /proc, ps says it.
  if (existsSync('/proc/self/stat')) {
    if (!existsSync(`/proc/${pid}`)) return ''
    return /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? ''
  }
  return spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
    .stdout.trim()
    .slice(0, 1)
}
