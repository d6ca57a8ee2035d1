import { type DocumentMetadata, type Name, nameFromBytes, nameToBytes } from '@agentfs/contracts'

const SLASH = Buffer.from('/')

/** How metadata tells a path: as text, and by its bytes too where they are no UTF-8. */
export function metadataPath(names: readonly Name[]): Pick<DocumentMetadata, 'path' | 'pathBase64'> {
  if (names.every((name) => !name.startsWith('\0'))) return { path: names.join('/') }
  const bytes = pathBytes(names)
  return { path: bytes.toString('utf8'), pathBase64: bytes.toString('base64') }
}

/** The path that metadata tells, by its names. */
export function namesOfMetadata({ path, pathBase64 }: Pick<DocumentMetadata, 'path' | 'pathBase64'>): Name[] {
  if (pathBase64 === undefined) return path.split('/')
  const bytes = Buffer.from(pathBase64, 'base64')
  const names: Name[] = []
  for (let at = 0; at <= bytes.length;) {
    const found = bytes.indexOf(SLASH, at)
    const end = found === -1 ? bytes.length : found
    names.push(nameFromBytes(bytes.subarray(at, end)))
    at = end + 1
  }
  return names
}

/** The raw bytes of a path, its names joined by `/`. */
export function pathBytes(names: readonly Name[]): Buffer {
  return Buffer.concat(
    names.flatMap((name, at) => (at === 0 ? [nameToBytes(name)] : [SLASH, nameToBytes(name)])),
  )
}
