import type { Statement } from '../statement.js'
import type { TenantTransaction } from '../transaction.js'
import { IMAGE_COLUMNS, type ImageRow, type ImageTable } from './image-tables.js'

/** What orders the rows of a table, and tells them apart. */
const KEYS = {
  nodes: ['node_id'],
  entries: ['parent_id', 'name'],
  aliases: ['alias_id'],
  versions: ['version_id'],
  parts: ['part_id'],
} as const satisfies Record<ImageTable, readonly string[]>

/** What of a table is the tree's: beginnings of versions stand in lists of their own, and unnamed parts in no commit. */
const ONLY: Partial<Record<ImageTable, string>> = { versions: 'prefix_of is null', parts: 'seq is not null' }

/**
 * The next rows of one of an agent's tables after a row, by their key; all of the moment of the transaction. At most so many,
 * and so many bytes of JSON, a row more or less; none where there are no more.
 */
export async function imageRows(
  tx: TenantTransaction,
  agentId: string,
  table: ImageTable,
  after: ImageRow | undefined,
  { rowsMax, bytesMax }: { readonly rowsMax: number; readonly bytesMax: number },
): Promise<ImageRow[]> {
  const keys = KEYS[table]
  const types: Readonly<Record<string, string>> = IMAGE_COLUMNS[table]
  const columns = Object.keys(types).join(', ')
  const order = keys.join(', ')
  const only = ONLY[table] === undefined ? '' : `and ${ONLY[table]}`
  const pieces = [
    `select q.text from (select x.text, row_number() over w as place,
      sum(octet_length(x.text)) over (w rows between unbounded preceding and 1 preceding) as before
    from (select ${order}, to_json(t)::text as text from (select ${columns} from ${table} where tenant_id = `,
    ' and agent_id = ',
    ` ${only}`,
  ]
  const values: Statement['values'][number][] = [tx.tenantId, agentId]
  if (after !== undefined) {
    pieces[2] += ` and (${order}) > (`
    for (const [at, key] of keys.entries()) {
      pieces.push(`::text::${types[key]}${at + 1 < keys.length ? ', ' : ')'}`)
      values.push(String(after[key]))
    }
  }
  pieces[pieces.length - 1] += ` order by ${order} limit `
  pieces.push(`) t) x window w as (order by ${order})) q where coalesce(q.before, 0) < `, ' order by q.place')
  values.push(rowsMax, bytesMax)
  const rows = await tx.run<{ text: string }>(written(pieces, values))
  return rows.map(({ text }) => JSON.parse(text) as ImageRow)
}

/**
 * Puts rows of an image back where they are not there yet. What an erased key sealed comes back as recovery finds it without
 * the key: the row, and nothing that its bytes said [ENC-3].
 */
export async function restoreImageRows(
  tx: TenantTransaction,
  agentId: string,
  table: ImageTable,
  rows: readonly ImageRow[],
): Promise<void> {
  const types: Readonly<Record<string, string>> = IMAGE_COLUMNS[table]
  const names = Object.keys(types)
  const erased = 'exists (select from tombstones e where e.tenant_id = t.tenant_id and e.key_id = x.key_id)'
  const picked = names.map((name) => {
    if (table !== 'versions' && table !== 'parts') return `x.${name}`
    if (name === 'content_mac') return `case when ${erased} then ''::bytea else x.content_mac end`
    if (name === 'part_ids') {
      return `case when ${erased} then ${table === 'versions' ? "'{}'::uuid[]" : 'null'} else x.part_ids end`
    }
    return `x.${name}`
  })
  const fields = names.map((name) => `${name} ${types[name]}`).join(', ')
  const pieces = [
    `insert into ${table} (tenant_id, agent_id, ${names.join(', ')}) select t.tenant_id, t.agent_id, ${picked.join(', ')} from (select `,
    '::uuid as tenant_id, ',
    '::uuid as agent_id) t cross join jsonb_to_recordset(',
    `::text::jsonb) as x (${fields}) on conflict do nothing`,
  ]
  await tx.run(written(pieces, [tx.tenantId, agentId, JSON.stringify(rows)]))
}

function written(pieces: string[], values: Statement['values']): Statement {
  return { text: Object.assign(pieces, { raw: pieces }), values }
}
