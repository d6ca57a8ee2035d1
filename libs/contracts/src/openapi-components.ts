import { z } from 'zod'
import * as ids from './ids.js'
import * as operations from './operations.js'
import * as records from './records.js'
import * as resources from './rest.js'
import { signupBody } from './routes-accounts.js'
import * as sync from './sync.js'
import * as images from './tree-images.js'

/** A JSON Schema (draft 2020-12), as OpenAPI 3.1 takes it. */
export type JsonSchema = Record<string, unknown>

const anySchema = z.record(z.string(), z.unknown())

/** Every named wire shape as `components.schemas`; each refers to the others by name. */
export function componentSchemas(): Record<string, JsonSchema> {
  const made = z.toJSONSchema(named, { ...OPTIONS, uri: referenceTo })
  const sorted: Record<string, JsonSchema> = {}
  for (const name of Object.keys(made.schemas).toSorted()) sorted[name] = plain(made.schemas[name])
  return sorted
}

/** The schema of a route's body or answer: a reference where the shape has a name. */
export function schemaOf(schema: z.core.$ZodType): JsonSchema {
  const known = named.get(schema)
  if (known !== undefined) return { $ref: referenceTo(known.id) }
  return inline(schema)
}

const named = z.registry<{ id: string }>()

for (const module of [ids, images, operations, records, resources, sync, { signupBody }]) {
  for (const [name, value] of Object.entries<unknown>(module)) {
    if (value instanceof z.ZodType && !name.endsWith('Query')) named.add(value, { id: pascal(name) })
  }
}

/** Bytes travel as base64 in JSON; MessagePack carries them as they are. */
const OPTIONS = {
  io: 'input',
  unrepresentable: 'any',
  override: ({
    zodSchema,
    jsonSchema,
  }: {
    zodSchema: z.core.$ZodTypes
    jsonSchema: z.core.JSONSchema.BaseSchema
  }) => {
    if (zodSchema._zod.def.type === 'custom') {
      jsonSchema.type = 'string'
      jsonSchema.contentEncoding = 'base64'
    }
    dropUselessBounds(jsonSchema)
  },
} as const

/** Zod bounds every integer by the safe ones, which says nothing to a reader. */
function dropUselessBounds(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
}

function inline(schema: z.core.$ZodType): JsonSchema {
  const made = plain(z.toJSONSchema(schema, { ...OPTIONS, metadata: named }))
  // Named parts come as local definitions here; they stand in components anyway.
  const { $defs: _, ...rest } = made
  return rewriteReferences(rest)
}

function rewriteReferences(value: JsonSchema): JsonSchema {
  const text = JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/')
  return anySchema.parse(JSON.parse(text))
}

function plain(schema: object | undefined): JsonSchema {
  const { $schema: _, $id: __, ...rest } = anySchema.parse(schema)
  return rest
}

function referenceTo(id: string): string {
  return `#/components/schemas/${id}`
}

function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}
