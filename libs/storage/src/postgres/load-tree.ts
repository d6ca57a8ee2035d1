import { nameFromBytes } from '@agentfs/contracts'
import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'
import { imageOfRow, nameColumn, type NodeRow } from './tree-rows.js'
import type { TreeNeeds, WorkingSet } from './working-set.js'

interface EntryRow {
  readonly parentId: string
  readonly name: Uint8Array
  readonly nodeId: string
}

/**
 * Loads what is needed into a working set, in one round trip: the nodes of the ids and of the names, aliases followed, and
 * all names of each of them and of their ancestors. Of children, `childrenMax + 1` names at most.
 */
export async function loadTree(
  tx: TenantTransaction,
  agentId: string,
  set: WorkingSet,
  needs: TreeNeeds,
  childrenMax: number,
): Promise<void> {
  const { tenantId } = tx
  const ids = arrayLiteral([...needs.ids, ...needs.names.map(({ parent }) => parent)])
  const parents = arrayLiteral(needs.names.map(({ parent }) => parent))
  const names = arrayLiteral(needs.names.map(({ name }) => nameColumn(name)))
  const [aliases, named, nodes, chain, children] = await Promise.all([
    tx.query<{ aliasId: string; nodeId: string }>`
      select alias_id, node_id from aliases
      where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = any (${ids}::uuid[])`,
    needs.names.length === 0
      ? []
      : tx.query<EntryRow>`
      select e.parent_id, e.name, e.node_id
      from unnest(${parents}::uuid[], ${names}::bytea[]) as w(parent_id, name)
      left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = w.parent_id
      join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId}
        and e.parent_id = coalesce(a.node_id, w.parent_id) and e.name = w.name`,
    tx.query<NodeRow>`
      with seeds as (
        select id from unnest(${ids}::uuid[]) as i(id)
        union select node_id from aliases
        where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = any (${ids}::uuid[])
        union select e.node_id from unnest(${parents}::uuid[], ${names}::bytea[]) as w(parent_id, name)
        left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = w.parent_id
        join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId}
          and e.parent_id = coalesce(a.node_id, w.parent_id) and e.name = w.name
      )
      select n.node_id, n.kind, n.mode, n.uid, n.gid, n.mtime_sec, n.mtime_nsec, n.ctime_sec, n.ctime_nsec, n.size,
        n.head_version, n.number, n.links, n.target, n.xattrs, n.content_key_id, n.created_at, n.modified_at,
        n.modified_by, n.seq, n.deleted_at, n.deleted_parent, n.deleted_name
      from seeds join nodes n on n.tenant_id = ${tenantId} and n.agent_id = ${agentId} and n.node_id = seeds.id`,
    tx.query<EntryRow>`
      with recursive seeds as (
        select id from unnest(${ids}::uuid[]) as i(id)
        union select node_id from aliases
        where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = any (${ids}::uuid[])
        union select e.node_id from unnest(${parents}::uuid[], ${names}::bytea[]) as w(parent_id, name)
        left join aliases a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId} and a.alias_id = w.parent_id
        join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId}
          and e.parent_id = coalesce(a.node_id, w.parent_id) and e.name = w.name
      ), chain as (
        select e.parent_id, e.name, e.node_id from seeds
        join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.node_id = seeds.id
        union
        select e.parent_id, e.name, e.node_id from chain
        join entries e on e.tenant_id = ${tenantId} and e.agent_id = ${agentId} and e.node_id = chain.parent_id
      )
      select parent_id, name, node_id from chain`,
    needs.children.size === 0
      ? []
      : tx.query<{ parentId: string; name: Uint8Array }>`
      select w.id as parent_id, e.name from unnest(${arrayLiteral([...needs.children])}::uuid[]) as w(id)
      cross join lateral (
        select name from entries where tenant_id = ${tenantId} and agent_id = ${agentId} and parent_id = w.id
        limit ${childrenMax + 1}
      ) e`,
  ])
  for (const { aliasId, nodeId } of aliases) set.putAlias(aliasId, nodeId)
  for (const row of nodes) set.putNode(imageOfRow(row), row.contentKeyId)
  for (const { parentId, name, nodeId } of chain) {
    set.putName(nodeId, { parent: parentId, name: nameFromBytes(name) })
    set.settleNames(parentId)
  }
  for (const { parentId, name, nodeId } of named) {
    set.putEntry(parentId, nameFromBytes(name), nodeId)
    set.settle(nodeId)
  }
  for (const id of needs.ids) set.settle(id)
  settleAbsentNames(set, needs, named)
  for (const directory of needs.children) {
    set.putChildren(
      directory,
      children.filter(({ parentId }) => parentId === directory).map(({ name }) => nameFromBytes(name)),
    )
  }
}

function settleAbsentNames(set: WorkingSet, needs: TreeNeeds, found: readonly EntryRow[]): void {
  const present = new Set(found.map(({ parentId, name }) => `${parentId}/${nameFromBytes(name)}`))
  for (const { parent, name } of needs.names) {
    set.settle(parent)
    const actual = set.resolve(parent)
    if (!present.has(`${actual}/${name}`)) set.putEntry(actual, name, null)
  }
}
