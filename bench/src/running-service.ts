import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentfsClient } from '@agentfs/sdk'
import { freePort } from '@agentfs/testkit'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** A program of this checkout, started, with what it printed so far. */
export class Program {
  readonly child: ChildProcess
  text = ''

  constructor(script: string, args: readonly string[], environment: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, [join(ROOT, script), ...args], {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', NODE_NO_WARNINGS: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.text += chunk.toString('utf8')))
    }
  }

  /** Waits until it printed something that matches. */
  async printed(pattern: RegExp, limitMs = 60_000): Promise<void> {
    const deadline = performance.now() + limitMs
    while (!pattern.test(this.text)) {
      if (this.child.exitCode !== null || performance.now() > deadline) throw new Error(this.text)
      await new Promise((resolve) => void setTimeout(resolve, 10))
    }
  }

  /** Resident memory in MiB, of the process and its children. */
  residentMiB(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
  }

  /** Waits until it has ended by itself. */
  async ended(): Promise<void> {
    if (!this.#hasEnded()) await once(this.child, 'exit')
  }

  /** Ends it as Ctrl-C would. */
  async stop(): Promise<void> {
    if (this.#hasEnded()) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await ended
  }

  #hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }
}

/** The standalone service on a home of its own, and a key to it: that of a new tenant, or one it knows. */
export async function startService(
  scratch: string,
  environment: Readonly<Record<string, string>> = {},
  known?: string,
): Promise<{
  program: Program
  url: string
  key: string
  client: AgentfsClient
  startMs: number
}> {
  const port = await freePort()
  const from = performance.now()
  const program = new Program('apps/server/bin/agentfs-server.mjs', ['start'], {
    HOME: scratch,
    AGENTFS_HOME: join(scratch, 'service'),
    PORT: String(port),
    METRICS_PORT: '0',
    ...environment,
  })
  await program.printed(/^ready http/m)
  const startMs = performance.now() - from
  const url = `http://127.0.0.1:${port}`
  if (known !== undefined) {
    return { program, url, key: known, client: new AgentfsClient({ url, token: known }), startMs }
  }
  const answer = await new AgentfsClient({ url }).signup({
    email: 'bench@example.com',
    password: 'a password for the bench',
    tenant: 'bench',
  })
  const key = answer.apiKey.secret
  return { program, url, key, client: new AgentfsClient({ url, token: key }), startMs }
}

/** A mount of an agent, with a home of its own. */
export async function startMount(
  scratch: string,
  name: string,
  service: { url: string; key: string },
  args: readonly string[] = [],
): Promise<{ program: Program; directory: string }> {
  const home = join(scratch, name)
  const directory = join(home, 'memory')
  mkdirSync(home, { recursive: true })
  const program = new Program('apps/agent-client/bin/agentfs-client.mjs', ['mount', directory, ...args], {
    HOME: home,
    AGENTFS_URL: service.url,
    AGENTFS_TOKEN: service.key,
    AGENTFS_AGENT: 'bench-mount',
  })
  await program.printed(/mounted/)
  return { program, directory }
}
