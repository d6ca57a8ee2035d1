import { decodePlain } from './decode-node.js'
import type { RequestReader } from './request-reader.js'
import type * as requests from './requests.js'

// Each function documents the body it reads as `field type` from byte 0 of the body.

/** `name cstring, target cstring` */
export function decodeSymlink(r: RequestReader): requests.SymlinkRequest {
  const nameEnd = r.stringEnd(0)
  const target = r.copy(nameEnd + 1, r.stringEnd(nameEnd + 1))
  return { ...decodePlain(r), name: r.entryName(0, nameEnd), target }
}

/** `mode u32, rdev u32, umask u32, padding u32, name cstring` */
export function decodeMknod(r: RequestReader): requests.MknodRequest {
  r.need(16)
  const name = r.entryName(16, r.stringEnd(16))
  return { ...decodePlain(r), name, mode: r.u32(0), rdev: r.u32(4), umask: r.u32(8) }
}

/** `mode u32, umask u32, name cstring` */
export function decodeMkdir(r: RequestReader): requests.MkdirRequest {
  r.need(8)
  return { ...decodePlain(r), name: r.entryName(8, r.stringEnd(8)), mode: r.u32(0), umask: r.u32(4) }
}

/** RENAME: `newdir u64, old cstring, new cstring` */
export function decodeRename(r: RequestReader): requests.RenameRequest {
  r.need(8)
  return decodeTwoNames(r, 8, 0)
}

/** RENAME2: `newdir u64, flags u32, padding u32, old cstring, new cstring` */
export function decodeRename2(r: RequestReader): requests.RenameRequest {
  r.need(16)
  return decodeTwoNames(r, 16, r.u32(8))
}

function decodeTwoNames(r: RequestReader, at: number, flags: number): requests.RenameRequest {
  const nameEnd = r.stringEnd(at)
  const newName = r.entryName(nameEnd + 1, r.stringEnd(nameEnd + 1))
  return { ...decodePlain(r), name: r.entryName(at, nameEnd), newParent: r.u64(0), newName, flags }
}

/** `oldnodeid u64, name cstring` */
export function decodeLink(r: RequestReader): requests.LinkRequest {
  r.need(8)
  return { ...decodePlain(r), oldNodeid: r.u64(0), newName: r.entryName(8, r.stringEnd(8)) }
}
