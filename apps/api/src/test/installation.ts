import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { type TemporaryDirectory, temporaryDirectory } from '@agentfs/testkit'
import type { Downloads } from '../service/downloads.js'
import { installScript } from '../service/install-script.js'

/** Runs a program to its end; throws where it fails. */
export const run = promisify(execFile)

/** This machine's, as Node names it. */
export const PLATFORM = `${process.platform}-${process.arch}`

/** A Node that has everything but node:sqlite: the text of a program in its place. */
export const OLD_NODE = `case "$*" in *node:sqlite*) exit 1 ;; esac\nexec '${process.execPath}' "$@"`

/** Where a program of this machine is; undefined where it has none of the name. */
export function findProgram(name: string): string | undefined {
  // oxlint-disable-next-line node/no-process-env -- the tests' own PATH, to look for shells
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** How the script is run. */
export interface Running {
  /** The shell and its options. */
  readonly shell?: readonly string[]
  readonly path?: string
  readonly args?: readonly string[]
  readonly variables?: Readonly<Record<string, string>>
}

/** How it ended. */
export interface Ended {
  readonly code: number | null
  readonly output: string
}

/** A machine with a home of its own, and a server that has what the script loads. */
export class Installation {
  /** What was asked for. */
  requests: string[] = []
  /** What is answered, by path. */
  readonly served = new Map<string, Buffer>()
  /** Its name holds a space and a quote. */
  readonly home: string
  readonly #directory: TemporaryDirectory
  readonly #server = createServer((request, response) => {
    this.requests.push(request.url ?? '')
    const body = this.served.get(request.url ?? '')
    if (body === undefined) response.writeHead(404).end()
    else response.end(body)
  })
  #sources = 0

  private constructor(directory: TemporaryDirectory) {
    this.#directory = directory
    this.home = join(directory.path, "home o' mine")
  }

  /** Starts the server. */
  static async open(): Promise<Installation> {
    const made = new Installation(await temporaryDirectory('install'))
    await mkdir(made.home)
    made.#server.listen(0, '127.0.0.1')
    await once(made.#server, 'listening')
    return made
  }

  /** Ends it, and removes everything. */
  async close(): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
    await this.#directory.remove()
  }

  /** A path outside of the home. */
  elsewhere(name: string): string {
    return join(this.#directory.path, name)
  }

  /** A path where the programs go. */
  share(...names: string[]): string {
    return join(this.home, '.local', 'share', 'agentfs', ...names)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Serves a client, which prints its version. */
  async serveClient(version: string, body = `console.log('${version}')`): Promise<Downloads> {
    const source = this.elsewhere(`source-${++this.#sources}`)
    const tree = join(source, 'agentfs-client')
    await mkdir(join(tree, 'bin'), { recursive: true })
    await mkdir(join(tree, 'node_modules'))
    const program = `#!/usr/bin/env node\n${body}\n`
    await writeFile(join(tree, 'bin', 'agentfs-client.mjs'), program, { mode: 0o755 })
    await run('tar', ['-czf', join(source, 'client.tgz'), '-C', source, 'agentfs-client'])
    const archive = await readFile(join(source, 'client.tgz'))
    this.served.set('/download/agentfs-client.tgz', archive)
    const client = { file: 'agentfs-client.tgz', version, bytes: archive.length, sha256: digest(archive) }
    return { client, nodes: [] }
  }

  /** Serves a Node, which is a script that prints its version. */
  serveNode(version: string): Downloads['nodes'][number] {
    const archive = gzipSync(`#!/bin/sh\necho v${version}\n`)
    const file = `node-${PLATFORM}.gz`
    this.served.set(`/download/${file}`, archive)
    return { file, platform: PLATFORM, version, bytes: archive.length, sha256: digest(archive) }
  }

  /** A PATH with what the script may use, less some, and with `node`: the real one, or a program of this text. */
  async programs({ without = [], node = null }: Programs = {}): Promise<string> {
    const key = digest(Buffer.from(JSON.stringify([without, node]))).slice(0, 8)
    const folder = this.elsewhere(`programs-${key}`)
    if (existsSync(folder)) return folder
    await mkdir(folder)
    for (const name of USED.filter((one) => !without.includes(one))) {
      const found = findProgram(name)
      if (found !== undefined) await symlink(found, join(folder, name))
    }
    if (node === null) await symlink(process.execPath, join(folder, 'node'))
    else await writeFile(join(folder, 'node'), `#!/bin/sh\n${node}\n`, { mode: 0o755 })
    return folder
  }

  /** Runs a script as `curl … | sh` would. */
  async runScript(text: string, how: Running = {}): Promise<Ended> {
    const { shell = ['/bin/sh'], path = await this.programs(), args = [], variables = {} } = how
    const [program = 'sh', ...options] = shell
    const env = { HOME: this.home, PATH: path, ...variables }
    const child = spawn(program, [...options, '-c', text, 'sh', ...args], { env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    }
    await once(child, 'close')
    return { code: child.exitCode, output }
  }

  /** Runs the script that this server would hand out. */
  install(downloads: Downloads, how?: Running): Promise<Ended> {
    return this.runScript(installScript(this.url, downloads), how)
  }

  /** What an installed command prints. */
  async prints(command = 'agentfs-client'): Promise<string> {
    const env = { PATH: await this.programs() }
    return (await run(join(this.home, '.local', 'bin', command), [], { env })).stdout.trim()
  }
}

interface Programs {
  readonly without?: readonly string[]
  readonly node?: string | null
}

const USED =
  'sh env tar gzip curl wget mktemp mkdir rm rmdir mv ln ls chmod readlink grep sed id uname'.split(' ')

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
