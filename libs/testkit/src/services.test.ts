import { execFileSync } from 'node:child_process'
import { describe, expect, it } from '@jest/globals'
import { testkitConfig } from './config.js'
import { loadServices, objectStoreUrl } from './services.js'

describe('services for tests', () => {
  it('are there, with programs that run', () => {
    const { programs, python, s3 } = loadServices()
    expect(Object.keys(s3).sort()).toEqual(['minio', 'versitygw'])
    expect(execFileSync(programs.git, ['--version'], { encoding: 'utf8' })).toMatch(/^git version/)
    const script = 'import sys; sys.path[:0] = sys.argv[1:]; import cryptography; print("imported")'
    expect(execFileSync(python.program, ['-c', script, python.path], { encoding: 'utf8' })).toBe('imported\n')
    expect(execFileSync(programs['redis-server'], ['--version'], { encoding: 'utf8' })).toMatch(
      /^Redis server/,
    )
  })

  it('give an object store URL for a prefix', () => {
    const { s3 } = loadServices()
    const url = new URL(objectStoreUrl(s3.minio, 'mine/here'))
    expect(url.hostname).toBe('agentfs')
    expect(url.pathname).toBe('/mine/here')
    expect(url.searchParams.get('endpoint')).toBe(s3.minio.endpoint)
  })

  it('say what to do where none run', () => {
    const config = { ...testkitConfig(), cacheDirectory: '/nonexistent' }
    expect(() => loadServices(config)).toThrow('run `npm run services` first')
  })
})
