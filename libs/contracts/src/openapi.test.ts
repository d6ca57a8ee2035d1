import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { openapiDocument } from './openapi.js'
import { listRoutes, pathOf, routes } from './routes.js'

const document = openapiDocument()
const text = JSON.stringify(document)

describe('the OpenAPI document', () => {
  it('is the committed one; `node apps/api/dist/write-openapi.js` makes it anew', () => {
    const committed = readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')
    expect(JSON.parse(committed)).toEqual(JSON.parse(text))
  })

  it('refers only to components that exist', () => {
    const schemas = Object.keys((document['components'] as { schemas: object }).schemas)
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      expect(schemas).toContain(name)
    expect(text).not.toContain('$defs')
  })

  it('names every operation once and gives it an answer', () => {
    const operations = listRoutes().map((route) => route.operation)
    expect(new Set(operations).size).toBe(operations.length)
    const places = listRoutes().map((route) => `${route.method} ${route.path}`)
    expect(new Set(places).size).toBe(places.length)
    for (const route of listRoutes()) expect(Object.keys(route.answers)).not.toHaveLength(0)
  })

  it('says what bytes look like in JSON', () => {
    expect(text).toContain('"contentEncoding":"base64"')
  })
})

describe('pathOf', () => {
  it('encodes a path by segment and every other parameter whole', () => {
    expect(pathOf(routes.fileRead, { agent: 'a', path: 'notes/ä b?#.md' })).toBe(
      '/v1/agents/a/files/notes/%C3%A4%20b%3F%23.md',
    )
    expect(pathOf(routes.keyRevoke, { id: 'a/b' })).toBe('/v1/keys/a%2Fb')
  })
})
