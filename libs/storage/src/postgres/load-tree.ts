import { nameFromBytes } from '@agentfs/contracts'
import { arrayLiteral } from './array-literal.js'
import type { TenantTransaction } from './transaction.js'
import { imageOfRow, nameColumn, type NodeRow } from './tree-rows.js'
import type { TreeNeeds, WorkingSet } from './working-set.js'

interface AskedRow {
  readonly askedId: string
  readonly actualId: string
}

interface EntryRow {
  readonly parentId: string
  readonly name: Uint8Array
  readonly nodeId: string
}

/**
 * Loads what is needed into a working set, in one round trip: the nodes of the ids and of the names, aliases followed, and
 * all names of each of them and of their ancestors. Of children, `childrenMax + 1` names at most.
 *
 * Every look-up is a lateral by a whole key behind `offset 0`: no plan, made on whatever statistics, can turn it into a scan
 * of an agent's tree.
 */
export async function loadTree(
  tx: TenantTransaction,
  agentId: string,
  set: WorkingSet,
  needs: TreeNeeds,
  childrenMax: number,
): Promise<void> {
  const { tenantId } = tx
  const ids = arrayLiteral([...new Set([...needs.ids, ...needs.names.map(({ parent }) => parent)])])
  const parents = arrayLiteral(needs.names.map(({ parent }) => parent))
  const names = arrayLiteral(needs.names.map(({ name }) => nameColumn(name)))
  const [asked, named, chain, children] = await Promise.all([
    tx.query<AskedRow & NodeRow>`
      select w.id as asked_id, r.id as actual_id, n.* from unnest(${ids}::uuid[]) as w(id)
      cross join lateral (select coalesce((
        select node_id from aliases where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = w.id), w.id) as id offset 0) r
      left join lateral (
        select * from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = r.id offset 0) n on true`,
    needs.names.length === 0
      ? []
      : tx.query<EntryRow & NodeRow>`
      select e.parent_id, e.name, n.* from unnest(${parents}::uuid[], ${names}::bytea[]) as w(parent_id, name)
      cross join lateral (select coalesce((
        select node_id from aliases where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = w.parent_id),
        w.parent_id) as id offset 0) r
      cross join lateral (
        select * from entries
        where tenant_id = ${tenantId} and agent_id = ${agentId} and parent_id = r.id and name = w.name offset 0) e
      cross join lateral (
        select * from nodes where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = e.node_id offset 0) n`,
    tx.query<EntryRow>`
      with recursive seeds as (
        select coalesce((
          select node_id from aliases where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = w.id), w.id) as id
        from unnest(${ids}::uuid[]) as w(id)
        union
        select e.node_id from unnest(${parents}::uuid[], ${names}::bytea[]) as w(parent_id, name)
        cross join lateral (select coalesce((
          select node_id from aliases where tenant_id = ${tenantId} and agent_id = ${agentId} and alias_id = w.parent_id),
          w.parent_id) as id offset 0) r
        cross join lateral (
          select node_id from entries
          where tenant_id = ${tenantId} and agent_id = ${agentId} and parent_id = r.id and name = w.name offset 0) e
      ), chain as (
        select e.parent_id, e.name, e.node_id from seeds cross join lateral (
          select parent_id, name, node_id from entries
          where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = seeds.id offset 0) e
        union
        select e.parent_id, e.name, e.node_id from chain cross join lateral (
          select parent_id, name, node_id from entries
          where tenant_id = ${tenantId} and agent_id = ${agentId} and node_id = chain.parent_id offset 0) e
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
  for (const row of asked) {
    if (row.askedId !== row.actualId) set.putAlias(row.askedId, row.actualId)
    // A left join gives nulls where there is no node.
    if ((row.nodeId as string | null) !== null) set.putNode(imageOfRow(row), row.contentKeyId)
  }
  for (const row of named) set.putNode(imageOfRow(row), row.contentKeyId)
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
