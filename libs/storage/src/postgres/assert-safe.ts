import { mintTenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import type { Database } from './database.js'
import type { Transaction } from './transaction.js'

/** The database would not keep tenants apart; the service must not start on it. */
export class UnsafeDatabaseError extends Error {
  override readonly name = 'UnsafeDatabaseError'
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(`the database does not keep tenants apart: ${faults.join('; ')}`)
    this.faults = faults
  }
}

/**
 * Proves at boot that row-level security binds the role we run as [ISO-2]: it can bypass nothing, owns nothing, every
 * tenant table is fenced, the tenant set by SET LOCAL arrives, and without it nothing is visible. Throws an
 * UnsafeDatabaseError that names every fault.
 */
export async function assertSafe(database: Database): Promise<void> {
  const stranger = uuidv7()
  const faults = [
    ...(await database.withoutTenant(async (tx) => [
      ...(await roleFaults(tx)),
      ...(await fenceFaults(tx)),
      ...(await visibleRows(tx, 'without a tenant')),
    ])),
    ...(await database.withTenant(mintTenantScope(stranger), async (tx) => [
      ...(await settingFaults(tx, stranger)),
      ...(await visibleRows(tx, 'to another tenant')),
    ])),
    ...(await database.acrossTenantsHeads(headsFaults)),
  ]
  if (faults.length > 0) throw new UnsafeDatabaseError(faults)
}

async function roleFaults(tx: Transaction): Promise<string[]> {
  const [role] = await tx.query<{ name: string; bypasses: boolean; owns: boolean }>`
    select current_user as name,
      exists (select 1 from pg_roles r where (r.rolsuper or r.rolbypassrls) and pg_has_role(current_user, r.oid, 'member')) as bypasses,
      exists (
        select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = current_schema() and c.relkind in ('r', 'p') and pg_has_role(current_user, c.relowner, 'member')
      ) as owns`
  if (role === undefined) return ['the role is unknown']
  return [
    ...(role.bypasses ? [`role ${role.name} may bypass row-level security`] : []),
    ...(role.owns ? [`role ${role.name} owns tables`] : []),
  ]
}

async function fenceFaults(tx: Transaction): Promise<string[]> {
  const rows = await tx.query<{ name: string }>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() and c.relkind in ('r', 'p') and c.relname <> 'email_directory'
      and exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
      and not (c.relrowsecurity and c.relforcerowsecurity and exists (select 1 from pg_policy p where p.polrelid = c.oid))
    order by 1`
  return rows.map(({ name }) => `table ${name} has no forced row-level security`)
}

async function settingFaults(tx: Transaction, expected: string): Promise<string[]> {
  const [row] = await tx.query<{
    tenant: string | null
  }>`select current_setting('app.tenant', true) as tenant`
  return row?.tenant === expected ? [] : ['SET LOCAL app.tenant does not arrive']
}

async function visibleRows(tx: Transaction, how: string): Promise<string[]> {
  const [row] = await tx.query<{ visible: boolean }>`
    select exists (select 1 from tenants) or exists (select 1 from nodes) or exists (select 1 from content_keys) as visible`
  return row?.visible === false ? [] : [`rows are visible ${how}`]
}

async function headsFaults(tx: Transaction): Promise<string[]> {
  const rows = await tx.query<{ name: string }>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = current_schema() and c.relkind in ('r', 'p') and c.relname not in ('streams', 'followers', 'storage_usage')
      and has_any_column_privilege(current_user, c.oid, 'select, insert, update')`
  return rows.map(({ name }) => `the heads role may use table ${name}`)
}
