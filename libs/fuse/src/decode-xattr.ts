import { decodePlain } from './decode-node.js'
import type { RequestReader } from './request-reader.js'
import type * as requests from './requests.js'

// Each function documents the body it reads as `field type` from byte 0 of the body.

/** With SETXATTR_EXT `size u32, flags u32, setxattr_flags u32, padding u32`, else the first two; `name cstring, value` */
export function decodeSetxattr(r: RequestReader, extended: boolean): requests.SetxattrRequest {
  const nameAt = extended ? 16 : 8
  r.need(nameAt)
  const size = r.u32(0)
  const nameEnd = r.stringEnd(nameAt)
  r.need(nameEnd + 1 + size)
  const value = r.copy(nameEnd + 1, nameEnd + 1 + size)
  return { ...decodePlain(r), name: r.copy(nameAt, nameEnd), value, flags: r.u32(4) }
}

/** `size u32, padding u32, name cstring` */
export function decodeGetxattr(r: RequestReader): requests.GetxattrRequest {
  r.need(8)
  return { ...decodePlain(r), name: r.copy(8, r.stringEnd(8)), size: r.u32(0) }
}

/** `size u32, padding u32` */
export function decodeListxattr(r: RequestReader): requests.ListxattrRequest {
  r.need(8)
  return { ...decodePlain(r), size: r.u32(0) }
}

/** REMOVEXATTR: `name cstring`, which unlike an entry's name may hold a slash */
export function decodeRemovexattr(r: RequestReader): requests.NameRequest {
  return { ...decodePlain(r), name: r.copy(0, r.stringEnd(0)) }
}
