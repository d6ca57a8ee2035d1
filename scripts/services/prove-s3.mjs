import { randomBytes } from 'node:crypto'
import { ServiceError } from './errors.mjs'
import { s3Request } from './s3-request.mjs'

/**
 * Puts an S3 server to the proof with real requests. Some test servers accept any secret, or overwrite on a conditional
 * create; tests against those would pass and mean nothing. Throws a ServiceError that names what was wrong.
 */
export async function proveS3(name, server) {
  const path = `/${server.bucket}/proof-${randomBytes(6).toString('hex')}`
  const expect = async (what, statuses, credentials, method, options) => {
    const { status, body } = await s3Request(credentials, method, path, options)
    if (statuses.includes(status)) return body
    throw new ServiceError(
      `${name} fails the proof: ${what}: answered ${status} ${body.slice(0, 300)}`,
      'use the pinned version of it',
    )
  }
  const stranger = { ...server, secretAccessKey: randomBytes(24).toString('hex') }
  const nobody = { ...server, accessKeyId: `nobody${randomBytes(4).toString('hex')}` }
  const create = { 'if-none-match': '*' }
  await expect('a create with a wrong secret', [403], stranger, 'PUT', { body: 'stranger' })
  // Versity says 404 XAdminUserNotFound here.
  await expect('a create with an unknown access key', [403, 404], nobody, 'PUT', { body: 'nobody' })
  await expect('what was refused is not there', [404], server, 'GET')
  await expect('a conditional create', [200], server, 'PUT', { headers: create, body: 'first' })
  await expect('a second conditional create', [412], server, 'PUT', { headers: create, body: 'second' })
  await expect('a read with a wrong secret', [403], stranger, 'GET')
  await expect('a delete with a wrong secret', [403], stranger, 'DELETE')
  const body = await expect('a read', [200], server, 'GET')
  if (body !== 'first')
    throw new ServiceError(
      `${name} fails the proof: the second create overwrote the first`,
      'use the pinned version of it',
    )
  await expect('a delete', [200, 204], server, 'DELETE')
}
