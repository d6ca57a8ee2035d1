/** True where `path` is the prefix itself or lies below it; prefixes end at segment borders, '' covers all. */
export function prefixCovers(prefix: string, path: string): boolean {
  const top = trim(prefix)
  const at = trim(path)
  return top === '' || at === top || at.startsWith(`${top}/`)
}

/** True where `path` is a directory on the way to the prefix. */
export function prefixLeadsTo(path: string, prefix: string): boolean {
  const at = trim(path)
  return at === '' || trim(prefix).startsWith(`${at}/`)
}

function trim(path: string): string {
  return path.replace(/^\/+|\/+$/g, '')
}
