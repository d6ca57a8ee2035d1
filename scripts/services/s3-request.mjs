import { createHash, createHmac } from 'node:crypto'
import { request } from 'node:http'

const hash = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()

/**
 * One request to an S3 server on loopback, path style, signed with AWS Signature Version 4; gives {status, body}.
 * Enough of S3 to make a bucket and to put a server to the proof without any dependency; keys must need no escaping.
 */
export function s3Request(
  { endpoint, region, accessKeyId, secretAccessKey },
  method,
  path,
  { headers = {}, body = '' } = {},
) {
  const { hostname, port, host } = new URL(endpoint)
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const signed = { ...headers, host, 'x-amz-content-sha256': hash(body), 'x-amz-date': time }
  const names = Object.keys(signed).sort()
  const canonical = [
    method,
    path,
    '',
    ...names.map((name) => `${name}:${signed[name]}`),
    '',
    names.join(';'),
    hash(body),
  ].join('\n')
  const key = [time.slice(0, 8), region, 's3', 'aws4_request'].reduce(hmac, `AWS4${secretAccessKey}`)
  const signature = createHmac('sha256', key)
    .update(['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n'))
    .digest('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path, timeout: 5_000 }
    const outgoing = request(
      { ...options, headers: { ...signed, authorization, 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += chunk))
        answer.once('end', () => resolve({ status: answer.statusCode, body: text }))
        answer.once('error', reject)
      },
    )
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 5 s')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}
