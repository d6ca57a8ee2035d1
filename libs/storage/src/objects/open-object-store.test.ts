import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { temporaryDirectory } from '@agentfs/testkit'
import { openObjectStore, s3LocationOf } from './open-object-store.js'

const location = (url: string) => s3LocationOf(new URL(url))

describe('the URL of an object store', () => {
  it('names a folder, which is made', async () => {
    const directory = await temporaryDirectory('open')
    const folder = join(directory.path, 'with space', 'objects')
    const store = await openObjectStore(`file://${encodeURI(folder)}/`)
    expect(store.describe()).toEqual({ kind: 'filesystem', location: folder })
    await store.probe()
    await directory.remove()
  })

  it('names a bucket of AWS, or of another endpoint in path style', async () => {
    expect(location('s3://bucket')).toEqual({
      bucket: 'bucket',
      prefix: '',
      endpoint: undefined,
      region: 'us-east-1',
      pathStyle: false,
      checksums: 'supported',
    })
    expect(
      location('s3://b/a/b%20c/?endpoint=https://s3.example:9000&region=eu-1&checksums=required'),
    ).toEqual({
      bucket: 'b',
      prefix: 'a/b c',
      endpoint: 'https://s3.example:9000',
      region: 'eu-1',
      pathStyle: true,
      checksums: 'required',
    })
    expect(location('s3://b?endpoint=http://h&pathStyle=false').pathStyle).toBe(false)
    const store = await openObjectStore('s3://b/p?endpoint=http://127.0.0.1:1', {
      accessKeyId: 'a',
      secretAccessKey: 'b',
    })
    expect(store.describe()).toEqual({ kind: 's3', location: 's3://b/p/ at http://127.0.0.1:1' })
    await store.close()
  })

  it.each([
    ['nonsense', 'no URL'],
    ['http://host/x', 'starts with http:'],
    ['s3://key:secret@bucket', 'credentials do not belong'],
    ['s3:///prefix', 'no bucket'],
    ['s3://b?pathstyle=true', 'unknown parameter pathstyle'],
    ['s3://b?pathStyle=yes', 'pathStyle must be true or false'],
    ['s3://b?checksums=none', 'checksums must be'],
    ['s3://b?endpoint=host:9000', 'endpoint must read'],
    ['s3://b?endpoint=http://host/path', 'endpoint must read'],
    ['s3://b/a//b', 'empty segment'],
    ['s3://b/a/%2e%2e%2fb', 'segment ..'],
    ['s3://b/a#b', 'fragment'],
    ['file:///', 'no folder'],
    ['file://objects/here', 'three slashes'],
    ['file:///here?region=x', 'no parameters'],
  ])('is refused with a reason: %s', async (url, why) => {
    const refusal = openObjectStore(url, { accessKeyId: 'a', secretAccessKey: 'b' })
    await expect(refusal).rejects.toMatchObject({ message: expect.stringContaining(why) })
  })
})
