import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort, startDetached, waitUntilReady } from './processes.mjs'

/** Starts Redis on a free loopback port with a random password; it keeps nothing on disk, for it is disposable. */
export async function startRedis(program, directory, record) {
  const folder = join(directory, 'redis')
  await mkdir(folder, { mode: 0o700 })
  const port = await freePort()
  const password = randomBytes(24).toString('hex')
  const config = join(folder, 'redis.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `requirepass ${password}`,
    `dir ${folder}`,
    'save ""',
    'appendonly no',
    'daemonize no',
    'maxmemory-policy noeviction',
  ]
  await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 })
  const log = join(directory, 'redis.log')
  const handle = startDetached(program, [config], { log })
  const server = {
    ...handle,
    host: '127.0.0.1',
    port,
    password,
    url: `redis://:${password}@127.0.0.1:${port}`,
    log,
  }
  await record(server)
  await waitUntilReady('redis-server', handle, log, () => redisAnswers(server))
  return server
}

/** True while Redis takes the password and answers a ping. */
export function redisAnswers({ host, port, password }) {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 })
    let text = ''
    const end = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket
      .once('error', () => end(false))
      .once('timeout', () => end(false))
      .once('close', () => end(false))
    socket.on('data', (chunk) => {
      text += chunk
      if (text.startsWith('-')) end(false)
      if (text.includes('+PONG')) end(true)
    })
    socket.write(`AUTH ${password}\r\nPING\r\n`)
  })
}
