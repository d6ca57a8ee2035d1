/** Makes a value of a column's text. */
export type ColumnParser = (text: string) => unknown

/** How a column of a type is read; all that are not here stay text. Keys are type ids of Postgres' own types. */
const PARSERS: Readonly<Record<number, ColumnParser>> = {
  // bool
  16: (text) => text === 't',
  // bytea
  17: (text) => Buffer.from(text.slice(2), 'hex'),
  // int8: all of ours stay below 2^53
  20: Number,
  // int2, int4, oid, float4, float8
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
  // json, jsonb
  114: parseJson,
  3802: parseJson,
  // date, timestamp, timestamptz
  1082: parseInstant,
  1114: parseInstant,
  1184: parseInstant,
  // text[], uuid[]
  1009: parseArray,
  2951: parseArray,
}

/** The parser of a type. */
export function parserOf(typeId: number): ColumnParser {
  return PARSERS[typeId] ?? asText
}

/** `head_seq` as `headSeq`. */
export function camelCase(column: string): string {
  return column.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function asText(text: string): string {
  return text
}

function parseJson(text: string): unknown {
  return JSON.parse(text)
}

function parseInstant(text: string): Date {
  return new Date(text)
}

/** A one-dimensional array of ids or words as Postgres prints it; elements here hold no commas or quotes that need more. */
function parseArray(text: string): string[] {
  const inner = text.slice(1, -1)
  if (inner === '') return []
  if (!inner.includes('"')) return inner.split(',')
  const elements: string[] = []
  for (const [, quoted, plain] of inner.matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)) {
    elements.push(quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'))
  }
  return elements
}
