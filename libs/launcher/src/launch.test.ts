import { spawn } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { temporaryDirectory, waitFor, type TemporaryDirectory } from '@agentfs/testkit'

const BUILT = new URL('../dist/index.js', import.meta.url).href

/** Prints what it was started with, then does what its first argument says. */
const COMMAND = `
  import { launch } from ${JSON.stringify(BUILT)}
  if (await launch({ name: 'probe', from: import.meta.url, secretOptions: ['--token'] })) {
    const inherited = Object.keys(process.env).filter((name) => name.startsWith('AGENTFS_LAUNCHER'))
    const facts = { pid: process.pid, node: process.execPath, args: process.argv.slice(2), inherited }
    process.stdout.write(JSON.stringify(facts) + '\\n')
    const [what] = process.argv.slice(2)
    if (what === 'exit') process.exitCode = 7
    if (what === 'echo') process.stdin.pipe(process.stdout)
    if (what === 'wait') setInterval(() => {}, 1_000)
  }
`

let home: TemporaryDirectory
let command: string

beforeEach(async () => {
  home = await temporaryDirectory('launcher')
  command = join(home.path, 'probe.mjs')
  writeFileSync(command, COMMAND)
})

afterEach(() => home.remove())

describe('a command on another Node than the pinned one', () => {
  beforeEach(() => {
    // A "node" package of another major, whose program hands on to this very Node.
    const bin = join(home.path, 'node_modules', 'node', 'bin')
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, '..', 'package.json'), JSON.stringify({ name: 'node', version: '999.0.0' }))
    writeFileSync(join(bin, 'node'), `#!/bin/sh\nexec ${realpathSync(process.execPath)} "$@"\n`, {
      mode: 0o755,
    })
  })

  it('becomes the pinned Node: same process, same arguments, its exit code', async () => {
    const child = run(['exit', 'an argument', 'ü', ''])
    expect(await child.facts()).toMatchObject({ pid: child.pid, args: ['exit', 'an argument', 'ü', ''] })
    expect(await child.exit()).toBe(7)
  })

  it('keeps standard input and output', async () => {
    const child = run(['echo'])
    await child.facts()
    child.write('through and through\n')
    await waitFor(() => child.output().endsWith('through and through\n'), {
      deadlineMs: 10_000,
      what: 'the echo',
    })
    expect(await child.exit()).toBe(0)
  })

  it('hands over a token that no process list shows, and leaves no trace of the handing over', async () => {
    const child = run(['wait', '--token', 'agk_secret', '--token=agk_other'])
    const facts = await child.facts()
    expect(facts).toMatchObject({
      args: ['wait', '--token', 'agk_secret', '--token=agk_other'],
      inherited: [],
    })
    expect(await processList(child.pid)).toContain('(hidden)')
    expect(await processList(child.pid)).not.toContain('agk_')
    child.kill('SIGTERM')
    expect(await child.exit()).toBe('SIGTERM')
  })
})

describe('a command on the pinned Node', () => {
  it('goes on where it is, and wipes a token from the process list', async () => {
    mkdirSync(join(home.path, 'node_modules'))
    symlinkSync(
      new URL('../../../node_modules/node', import.meta.url).pathname,
      join(home.path, 'node_modules/node'),
    )
    const child = run(['wait', '--token', 'agk_secret'])
    expect(await child.facts()).toMatchObject({ pid: child.pid, args: ['wait', '--token', 'agk_secret'] })
    expect(await processList(child.pid)).toMatch(/^probe wait --token \(hidden\)/)
    child.kill('SIGTERM')
    expect(await child.exit()).toBe('SIGTERM')
  })
})

function run(args: readonly string[]) {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = () => child.exitCode ?? child.signalCode ?? undefined
  return {
    pid: child.pid,
    output: () => output,
    write: (text: string) => child.stdin.end(text),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    exit: () =>
      waitFor(() => (ended() === undefined ? false : { status: ended() }), WAIT_END).then(
        ({ status }) => status,
      ),
    facts: async (): Promise<unknown> => {
      await waitFor(() => output.includes('\n'), { deadlineMs: 10_000, what: 'the command to start' })
      return JSON.parse(output.split('\n')[0] ?? '')
    },
  }
}

const WAIT_END = { deadlineMs: 10_000, what: 'the command to end' }

async function processList(pid: number | undefined): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
}
