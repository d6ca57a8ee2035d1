import {
  componentSchemas,
  HTTP_STATUS,
  type JsonSchema,
  listRoutes,
  type Route,
  schemaOf,
} from '@agentfs/contracts'
import type { z } from 'zod'
import { TITLES } from '../http/problem-texts.js'
import { escaped, page, prose } from './page.js'
import { typeName } from './type-name.js'

/** The reference as a page, made from the same table as the OpenAPI document. */
export function referencePage(): string {
  const byTag = Map.groupBy(listRoutes(), (route) => route.tag)
  const sections = [...byTag].map(([tag, routes]) => section(tag, routes))
  const links = [...byTag.keys(), 'Shapes', 'Errors'].map((tag) => `<a href="#${tag}">${tag}</a>`)
  return page(
    'agentfs reference',
    `<h1>agentfs reference</h1>
<p>Memory for AI agents: every agent has a home directory. Send an API key as
<code>Authorization: Bearer &lt;key&gt;</code>. Problems are RFC 9457 documents with a stable <code>code</code>; lists take
<code>limit</code> and <code>cursor</code>; every POST takes an <code>Idempotency-Key</code>.
Machine-readable: <a href="/openapi.json">/openapi.json</a>.</p>
<pre><code>${escaped(FIRST_STEPS)}</code></pre>
<nav>${links.join('')}</nav>
${sections.join('\n')}
${shapes()}
${errors()}`,
  )
}

const FIRST_STEPS = `curl -X PUT --data-binary @notes.md -H "Authorization: Bearer $AGENTFS_TOKEN" \\
  $AGENTFS_URL/v1/agents/my-agent/files/notes.md?parents=true
curl -H "Authorization: Bearer $AGENTFS_TOKEN" $AGENTFS_URL/v1/agents/my-agent/files/notes.md`

function section(tag: string, routes: readonly Route[]): string {
  return `<h2 id="${tag}">${escaped(tag)}</h2>\n${routes.map(routeBox).join('\n')}`
}

function routeBox(route: Route): string {
  const query = Object.entries<z.core.$ZodType>(route.query?.shape ?? {}).map(([name, schema]) => [
    name,
    typeName(schemaOf(schema)),
  ])
  const rows: (readonly [string, string])[] = [
    [
      'Needs',
      route.permission === 'public'
        ? 'nothing'
        : `a credential${route.permission === 'credential' ? '' : `, role ${route.permission}`}`,
    ],
    ...(query.length === 0
      ? []
      : [
          [
            'Query',
            query.map(([name = '', type = '']) => `<code>${escaped(name)}</code> ${type}`).join('<br>'),
          ] as const,
        ]),
    ...(route.headers === undefined
      ? []
      : [
          [
            'Headers',
            Object.entries(route.headers)
              .map(([name, text]) => `<code>${name}</code> ${prose(text)}`)
              .join('<br>'),
          ] as const,
        ]),
    ...(route.body === undefined
      ? []
      : [
          [
            'Body',
            route.body.kind === 'bytes'
              ? prose(route.body.description)
              : typeName(schemaOf(route.body.schema)),
          ] as const,
        ]),
    ...Object.entries(route.answers).map(
      ([status, answer]) =>
        [
          status,
          `${prose(answer.description)}${answer.schema === undefined ? '' : `: ${typeName(schemaOf(answer.schema))}`}`,
        ] as const,
    ),
    ...(route.problems.length === 0
      ? []
      : [
          [
            'Problems',
            route.problems.map((code) => `<a href="/docs/errors/${code}">${code}</a>`).join(', '),
          ] as const,
        ]),
  ]
  return `<details id="${route.operation}"><summary><span class="verb">${route.method}</span> <code>${escaped(route.path)}</code> <span class="quiet">${prose(route.summary)}</span></summary>
${route.description === undefined ? '' : `<p>${prose(route.description)}</p>`}
<table>${rows.map(([name, text]) => `<tr><th>${name}</th><td>${text}</td></tr>`).join('')}</table></details>`
}

function shapes(): string {
  const boxes = Object.entries(componentSchemas()).map(([name, schema]) => shapeBox(name, schema))
  return `<h2 id="Shapes">Shapes</h2>\n${boxes.join('\n')}`
}

function shapeBox(name: string, schema: JsonSchema): string {
  const text = escaped(JSON.stringify(schema, null, 2)).replaceAll(
    /#\/components\/schemas\/(\w+)/g,
    '<a href="#shape-$1">$1</a>',
  )
  return `<details id="shape-${name}"><summary>${name}</summary><pre><code>${text}</code></pre></details>`
}

function errors(): string {
  const rows = Object.entries(HTTP_STATUS).map(
    ([code, status]) =>
      `<tr><td><a href="/docs/errors/${code}"><code>${code}</code></a></td><td>${status}</td></tr>`,
  )
  return `<h2 id="Errors">Errors</h2><table><tr><th>code (${Object.keys(TITLES).length})</th><th>HTTP</th></tr>${rows.join('')}</table>`
}
