import { parentPort } from 'node:worker_threads'
import { freeBytes, isAgentfsError } from '@agentfs/contracts'
import { contentMac, contentMacKey, openObjectRange, sealObject } from '@agentfs/crypto'
import type { NumberedJob, PartAnswer, PartResult } from './part-thread-messages.js'

/** Seals and opens parts beside the event loop; knows nothing but what each message brings. */
function perform(job: NumberedJob): PartResult {
  const { tenantId, partId, key } = job
  const binding = { kind: 'part', tenantId, objectId: partId, ...key } as const
  if (job.kind === 'seal') {
    const bytes = own(sealObject(binding, job.plaintext))
    return { bytes, contentMac: contentMac(contentMacKey(key.key), job.plaintext) }
  }
  const bytes = own(openObjectRange(binding, job.sealed, job.from, job.length))
  return { bytes, contentMac: contentMac(contentMacKey(key.key), bytes) }
}

/** Bytes that have their memory for themselves, and can be given away with a message. */
function own(bytes: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length) return new Uint8Array(buffer)
  return new Uint8Array(bytes)
}

const port = parentPort
port?.on('message', (job: NumberedJob) => {
  try {
    const result = perform(job)
    port.postMessage({ id: job.id, result } satisfies PartAnswer, [result.bytes.buffer])
  } catch (error) {
    const corrupt = isAgentfsError(error, 'object_corrupt') ? { ...error.details } : null
    const message = error instanceof Error ? error.message : String(error)
    port.postMessage({ id: job.id, corrupt, message } satisfies PartAnswer)
  }
  freeBytes(job.kind === 'seal' ? job.plaintext : job.sealed)
})
