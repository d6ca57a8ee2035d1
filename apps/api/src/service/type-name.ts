import type { JsonSchema } from '@agentfs/contracts'
import { escaped } from './page.js'

/** A schema in a word or two, as HTML; named ones link to their box. */
export function typeName(schema: unknown): string {
  if (!isSchema(schema)) return 'anything'
  const { $ref: reference, type, items, properties, format } = schema
  if (typeof reference === 'string') {
    const name = reference.slice(reference.lastIndexOf('/') + 1)
    return `<a href="#shape-${name}">${name}</a>`
  }
  const choices = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(choices)) return choices.map(typeName).join(' or ')
  if (Array.isArray(schema['enum']))
    return schema['enum'].map((it) => `<code>${escaped(String(it))}</code>`).join(' or ')
  if ('const' in schema) return `<code>${escaped(String(schema['const']))}</code>`
  if (type === 'array') return `list of ${typeName(items)}`
  if (isSchema(properties)) {
    return `{${Object.entries(properties)
      .map(([name, of]) => `${escaped(name)}: ${typeName(of)}`)
      .join(', ')}}`
  }
  const name = typeof type === 'string' ? type : 'anything'
  return escaped(typeof format === 'string' ? `${name} (${format})` : name)
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
