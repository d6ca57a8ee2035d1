import { describe, expect, it } from '@jest/globals'
import { parseMountinfo } from './mountinfo.js'

describe('mountinfo', () => {
  it('reads lines with none, one and several optional fields', () => {
    const text = [
      '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
      '40 22 0:39 / /mnt/a ro,nosuid - fuse.agentfs home rw,user_id=0',
      '41 22 0:40 / /mnt/b rw master:7 propagate_from:2 - tmpfs none rw',
      '',
    ].join('\n')
    expect(parseMountinfo(text)).toEqual([
      { device: '254:0', mountPoint: '/', type: 'ext4', source: '/dev/vda', readOnly: false },
      { device: '0:39', mountPoint: '/mnt/a', type: 'fuse.agentfs', source: 'home', readOnly: true },
      { device: '0:40', mountPoint: '/mnt/b', type: 'tmpfs', source: 'none', readOnly: false },
    ])
  })

  it('decodes octal escapes and UTF-8', () => {
    const line = Buffer.from('40 22 0:39 / /m\\040n\\134t\\012\\011ü rw - fuse a\\054b rw').toString('latin1')
    expect(parseMountinfo(line)).toMatchObject([{ mountPoint: '/m n\\t\n\tü', source: 'a,b' }])
  })

  it('skips what is no mount', () => {
    expect(parseMountinfo('nonsense\n1 2 3\n1 2 3 / / rw -\n')).toEqual([])
  })
})
