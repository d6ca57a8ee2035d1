import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ServiceError } from './errors.mjs'
import { freePort, startDetached, waitUntilReady } from './processes.mjs'
import { proveS3 } from './prove-s3.mjs'
import { s3Request } from './s3-request.mjs'

const BUCKET = 'agentfs'
const REGION = 'us-east-1'

/** How each maker's server is told its address, folder and credentials; secrets go by environment, not by `ps`. */
const SERVERS = {
  versitygw: ({ address, folder, accessKeyId, secretAccessKey }) => ({
    // Metadata in a sidecar folder: not every temporary filesystem has extended attributes.
    args: [
      '--port',
      address,
      '--region',
      REGION,
      '--keep-alive',
      '--quiet',
      'posix',
      '--sidecar',
      join(folder, 'meta'),
      join(folder, 'data'),
    ],
    env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
  }),
  minio: ({ address, folder, accessKeyId, secretAccessKey }) => ({
    args: ['server', '--quiet', '--address', address, join(folder, 'data')],
    env: {
      MINIO_ROOT_USER: accessKeyId,
      MINIO_ROOT_PASSWORD: secretAccessKey,
      MINIO_REGION: REGION,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      HOME: folder,
    },
  }),
}

/**
 * Starts one S3 server on a free loopback port with random credentials, makes its bucket, and proves it.
 * `record` hears of the process before anything is asked of it, so that nothing is left that nobody knows.
 */
export async function startS3(name, program, directory, record) {
  const folder = join(directory, name)
  for (const part of ['data', 'meta']) await mkdir(join(folder, part), { recursive: true, mode: 0o700 })
  const address = `127.0.0.1:${await freePort()}`
  const accessKeyId = `test${randomBytes(8).toString('hex')}`
  const secretAccessKey = randomBytes(24).toString('hex')
  const log = join(directory, `${name}.log`)
  const { args, env } = SERVERS[name]({ address, folder, accessKeyId, secretAccessKey })
  const handle = startDetached(program, args, { env, log })
  const endpoint = `http://${address}`
  const url = `s3://${BUCKET}?${new URLSearchParams({ endpoint, region: REGION, pathStyle: 'true' })}`
  const server = {
    ...handle,
    endpoint,
    region: REGION,
    bucket: BUCKET,
    accessKeyId,
    secretAccessKey,
    url,
    log,
  }
  await record(server)
  await waitUntilReady(name, handle, log, async () => (await s3Request(server, 'GET', '/')).status === 200)
  const made = await s3Request(server, 'PUT', `/${BUCKET}`)
  if (made.status !== 200) {
    throw new ServiceError(
      `${name} makes no bucket: ${made.status} ${made.body}`,
      'use the pinned version of it',
    )
  }
  await proveS3(name, server)
  return server
}

/** True while the server answers for its bucket. */
export async function s3Answers(server) {
  return (await s3Request(server, 'HEAD', `/${server.bucket}`)).status === 200
}
