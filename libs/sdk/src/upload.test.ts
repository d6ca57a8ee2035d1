import { describe, expect, it } from '@jest/globals'
import { packMessage } from './message-pack.js'
import { AgentfsClient } from './client.js'

const MIB = 1_048_576

/** A service that takes no part, or every one, and says what it was asked for. */
function filesOf(partStatus: 200 | 403): {
  files: ReturnType<AgentfsClient['agent']>['files']
  asked: string[]
} {
  const asked: string[] = []
  const answer: typeof fetch = (input) => {
    const { pathname } = new URL(input instanceof Request ? input.url : input)
    const route = /\/parts\/[0-9a-f-]{36}$/.test(pathname) ? 'part' : (pathname.split('/').at(-1) ?? '')
    asked.push(route)
    if (route === 'missing') return Promise.resolve(new Response(packMessage({ missing: [] })))
    if (route === 'stat') return Promise.resolve(Response.json({ code: 'not_found' }, { status: 404 }))
    if (route !== 'part' || partStatus === 403)
      return Promise.resolve(Response.json({ code: 'forbidden' }, { status: 403 }))
    const part = pathname.split('/').at(-1)
    return Promise.resolve(new Response(packMessage({ part, size: MIB, state: 'stored' })))
  }
  const client = new AgentfsClient({ url: 'http://127.0.0.1:1', fetch: answer })
  return { files: client.agent('a').files, asked }
}

/** Pieces of a mebibyte, `count` of them; then it ends as told. Says when it was closed. */
function source(
  count: number,
  end: () => Promise<void>,
): { chunks: AsyncGenerator<Uint8Array>; closed: Promise<void> } {
  const closed = Promise.withResolvers<void>()
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let given = 0; given < count; given++) yield new Uint8Array(MIB).fill(1)
      await end()
    } finally {
      closed.resolve()
    }
  }
  return { chunks: chunks(), closed: closed.promise }
}

const done = (): Promise<void> => Promise.resolve()

describe('the source of an upload', () => {
  it('is closed where the service refuses the first part', async () => {
    const { files } = filesOf(403)
    const { chunks, closed } = source(3, done)
    await expect(files.upload('a', chunks)).rejects.toMatchObject({ code: 'forbidden' })
    await closed
  })

  it('is cancelled where it is a stream', async () => {
    const { files } = filesOf(403)
    const cancelled = Promise.withResolvers<void>()
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(MIB).fill(1)),
      cancel: () => cancelled.resolve(),
    })
    await expect(files.upload('a', stream)).rejects.toMatchObject({ code: 'forbidden' })
    await cancelled.promise
  })

  it('is not waited for after the upload was aborted', async () => {
    const { files, asked } = filesOf(200)
    const { chunks } = source(3, () => Promise.withResolvers<void>().promise)
    const stop = new AbortController()
    const onProgress = ({ bytes }: { bytes: number }): void => {
      if (bytes === 3 * MIB) stop.abort(new Error('enough'))
    }
    await expect(files.upload('a', chunks, { signal: stop.signal, onProgress })).rejects.toThrow('enough')
    expect(asked).not.toContain('compose')
  })

  it('may fail half way: nothing is made of what went up', async () => {
    const { files, asked } = filesOf(200)
    const { chunks } = source(3, () => Promise.reject(new Error('the disk is broken')))
    await expect(files.upload('a', chunks)).rejects.toThrow('the disk is broken')
    expect(asked).not.toContain('compose')
  })
})
