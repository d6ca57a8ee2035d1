import { MalformedRequestError, type RequestReader } from './request-reader.js'

/** INTERRUPT: `unique u64` of the request that is interrupted */
export function decodeInterrupt(r: RequestReader): number {
  r.need(8)
  return r.u64(0)
}

/** What the kernel offers at INIT. */
export interface InitRequest {
  major: number
  minor: number
  readaheadBytesMax: number
  flags: number
  flags2: number
}

/** INIT: `major u32, minor u32, max_readahead u32, flags u32` and, since 7.36, `flags2 u32, unused u32[11]` */
export function decodeInit(r: RequestReader): InitRequest {
  r.need(8)
  const version = { major: r.u32(0), minor: r.u32(4) }
  if (version.major < 7) throw new MalformedRequestError(`protocol ${version.major}`)
  if (r.bodyBytes < 16) return { ...version, readaheadBytesMax: 0, flags: 0, flags2: 0 }
  return {
    ...version,
    readaheadBytesMax: r.u32(8),
    flags: r.u32(12),
    flags2: r.bodyBytes >= 20 ? r.u32(16) : 0,
  }
}
