import { connect, createServer } from 'node:net'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { askMount } from './client.js'
import type { ControlAnswer } from './protocol.js'
import { MountRegistry } from './registry.js'
import { ControlServer } from './server.js'

const DONE: ControlAnswer = { kind: 'done', remaining: [] }
/** More than a socket keeps for a reader that does not read. */
const LONG: ControlAnswer = {
  kind: 'done',
  remaining: Array.from({ length: 100_000 }, (_, at) => `file-${at}`),
}

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'agentfs-control-'))
  path = join(directory, 'socket')
})

afterEach(() => rmSync(directory, { recursive: true }))

describe('the control socket of a mount', () => {
  it('survives who asks and is gone before all of the answer was read', async () => {
    const control = await ControlServer.listen(path, () => Promise.resolve(LONG))
    const impatient = connect(path)
    impatient.write('{"kind":"status"}\n')
    await once(impatient, 'readable')
    impatient.destroy()
    expect(await askMount(path, { kind: 'status' })).toEqual(LONG)
    await control.close()
  })

  it('waits at its end for nobody who was answered and does not hang up, as a stopped process does not', async () => {
    const control = await ControlServer.listen(path, () => Promise.resolve(DONE))
    const stopped = connect({ path, allowHalfOpen: true })
    stopped.write('{"kind":"status"}\n')
    await once(stopped, 'data')
    await control.close()
    await once(stopped, 'end')
    stopped.write('is anybody there?\n')
    const [error] = (await once(stopped, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('EPIPE')
  })

  it('takes the place of one that a killed mount left behind, and not that of one that answers', async () => {
    const killed = createServer().listen(path)
    await once(killed, 'listening')
    // Node removes the socket of a server that closes; one that is killed does not.
    renameSync(path, `${path}.kept`)
    killed.close()
    await once(killed, 'close')
    renameSync(`${path}.kept`, path)
    expect(existsSync(path)).toBe(true)
    const control = await ControlServer.listen(path, () => Promise.resolve(DONE))
    expect(await askMount(path, { kind: 'status' })).toEqual(DONE)
    await expect(ControlServer.listen(path, () => Promise.resolve(LONG))).rejects.toThrow(/EADDRINUSE/)
    expect(await askMount(path, { kind: 'status' })).toEqual(DONE)
    await control.close()
  })
})

describe('the register of mounts', () => {
  it('takes no process for a mount of before that has its number now, as the first of a container has', () => {
    const registry = new MountRegistry(directory)
    const mountpoint = join(directory, 'memory')
    registry.add({ pid: process.pid, dir: mountpoint, agent: 'a', url: 'http://127.0.0.1:1', socket: path })
    expect(registry.abandoned(mountpoint)).toBe(true)
    expect(registry.find(mountpoint)).toBeUndefined()
  })
})
