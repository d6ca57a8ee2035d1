import { type DocumentMetadata, documentMetadata } from '@agentfs/contracts'
import { parse } from 'yaml'

const KEY = 'agentfs: '
// What YAML, of version 1.1 too, takes for a line break, a byte order mark or nothing that may stand in a text.
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g

/**
 * The one line that is ours, without its ending: the metadata in YAML's flow style, written as JSON, which is a part of it.
 * Every string is quoted, so that no reader takes a hash for a number.
 */
export function metadataLine(metadata: unknown): string {
  return KEY + flow(metadata)
}

/** The metadata of a line; undefined where it is not ours. */
export function metadataOfLine(line: string): DocumentMetadata | undefined {
  if (!line.startsWith(`${KEY}{`)) return undefined
  const result = documentMetadata.safeParse(parsed(line.slice(KEY.length)))
  return result.success ? result.data : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A program that writes its YAML anew drops quotes.
    return parsedYaml(text)
  }
}

function parsedYaml(text: string): unknown {
  try {
    return parse(text, { logLevel: 'silent' })
  } catch {
    return undefined
  }
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([key, member]) => `${quoted(key)}: ${flow(member)}`).join(', ')}}`
  }
  return quoted(value)
}

function quoted(value: unknown): string {
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
