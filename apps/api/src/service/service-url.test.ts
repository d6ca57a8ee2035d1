import { describe, expect, it } from '@jest/globals'
import { serviceUrlOf } from './service-url.js'

describe('the address that a service gives of itself', () => {
  it.each(['127.0.0.1:7333', 'memory.example.com', 'agentfs_api:80', '[::1]:7333', 'localhost'])(
    'is how it was asked for: %s',
    (host) => {
      expect(serviceUrlOf({ protocol: 'http', host }, null)).toBe(`http://${host}`)
    },
  )

  it('is what its operator says, whatever was asked for', () => {
    expect(serviceUrlOf({ protocol: 'http', host: 'evil' }, 'https://memory.example.com/')).toBe(
      'https://memory.example.com',
    )
  })

  it.each([
    "x';reboot;'",
    'a b',
    'a/b',
    'user@host',
    '$(id)',
    '`id`',
    '',
    'a\nb',
    '-x',
    'x:port',
    'x"y',
    '[::1',
  ])('is none where the Host header is %j', (host) => {
    expect(serviceUrlOf({ protocol: 'https', host }, null)).toBeNull()
  })
})
