import { parse } from 'yaml'

const FRONTMATTER_BYTES_MAX = 65_536

/** A document's own YAML frontmatter as plain values; null where it has none, or none that can be read. */
export function ownFrontmatter(bytes: Buffer): unknown {
  const text = bytes
    .subarray(0, FRONTMATTER_BYTES_MAX)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
  const block = /^---[ \t]*\r?\n([\s\S]*?\n)?---[ \t]*(?:\r?\n|$)/.exec(text)?.[1]
  if (block === undefined) return null
  try {
    const value: unknown = parse(block, { maxAliasCount: 100 })
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null
  } catch {
    return null
  }
}
