import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { STATE_FILE } from './paths.mjs'
import { isSameProcess, stopProcess } from './processes.mjs'
import { ensurePrograms } from './programs.mjs'
import { progress } from './progress.mjs'
import { redisAnswers, startRedis } from './redis.mjs'
import { s3Answers, startS3 } from './s3-servers.mjs'
import { readState, removeState, STATE_VERSION, writeState } from './state.mjs'

const DIRECTORY_PREFIX = 'agentfs-services-'

const SERVICES = [
  {
    path: ['s3', 'versitygw'],
    answers: s3Answers,
    start: (programs, ...rest) => startS3('versitygw', programs.versitygw, ...rest),
  },
  {
    path: ['s3', 'minio'],
    answers: s3Answers,
    start: (programs, ...rest) => startS3('minio', programs.minio, ...rest),
  },
  {
    path: ['redis'],
    answers: redisAnswers,
    start: (programs, ...rest) => startRedis(programs['redis-server'], ...rest),
  },
]

const at = (state, path) => path.reduce((value, name) => value?.[name], state)

/** Programs present, every service alive and proven, the state written; what lives and answers is kept. */
export async function bringUp() {
  const { programs, python } = await ensurePrograms()
  const before = await readState()
  if (before !== undefined && (await allAnswer(before))) {
    progress(`running already; the state is in ${STATE_FILE}`)
    return { ...before, programs, python }
  }
  if (before !== undefined) await stopAll(before)
  const directory = await mkdtemp(join(tmpdir(), DIRECTORY_PREFIX))
  const state = {
    version: STATE_VERSION,
    startedAt: new Date().toISOString(),
    directory,
    programs,
    python,
    s3: {},
  }
  try {
    for (const { path, start } of SERVICES) {
      const name = path.at(-1)
      const server = await start(programs, directory, async (started) => {
        at(state, path.slice(0, -1))[name] = started
        await writeState(state)
      })
      progress(
        `${name} answers on ${server.endpoint ?? `${server.host}:${server.port}`} (process ${server.pid})`,
      )
    }
    await writeState({ ...state, ready: true })
  } catch (error) {
    await stopAll(state)
    throw error
  }
  progress(`up; the state is in ${STATE_FILE}`)
  return { ...state, ready: true }
}

/** Stops every service of the state and removes its data. */
export async function bringDown() {
  const state = await readState()
  if (state === undefined) {
    progress('nothing runs')
    return { stopped: [] }
  }
  const stopped = await stopAll(state)
  progress(`stopped ${stopped.join(', ') || 'nothing: all had ended'}`)
  return { stopped }
}

async function allAnswer(state) {
  if (state.ready !== true || !existsSync(state.directory)) return false
  for (const { path, answers } of SERVICES) {
    const server = at(state, path)
    if (!isSameProcess(server) || !(await answers(server).catch(() => false))) return false
  }
  return true
}

async function stopAll(state) {
  const stopped = []
  for (const { path } of SERVICES) {
    const server = at(state, path)
    if (!isSameProcess(server)) continue
    await stopProcess(server)
    stopped.push(path.at(-1))
  }
  if (basename(state.directory).startsWith(DIRECTORY_PREFIX)) {
    await rm(state.directory, { recursive: true, force: true, maxRetries: 5 })
  }
  await removeState()
  return stopped
}
