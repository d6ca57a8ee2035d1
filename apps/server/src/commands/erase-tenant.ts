import { createInterface } from 'node:readline/promises'
import type { TenantScope } from '@agentfs/access'
import { uuidv7 } from '@agentfs/contracts'
import { ErasedTenantsChore, eraseTenantFor, openErasureRecord } from '@agentfs/engine'
import { type Database, ErasedTenantsStore, findTenant } from '@agentfs/storage'
import { readConfig, type ServerConfig } from '../config.js'
import { runChore, targets } from '../maintenance/run-chore.js'
import { explain, OperatorError } from '../operator-error.js'
import { type OfflineService, withOfflineService } from './offline.js'

/** What is typed after `maintenance erase-tenant`. */
export interface EraseTenantOptions {
  readonly tenant?: string
  /** Its name, repeated: instead of being asked. */
  readonly name?: string
  readonly list?: boolean
  readonly json?: boolean
}

/** Erases a tenant for good, or lists those that were erased, and by whom; gives the exit code. */
export function eraseTenantCommand(
  options: EraseTenantOptions,
  say: (line: string) => void,
  config: ServerConfig = readConfig(),
): Promise<number> {
  return withOfflineService(config, async (service) => {
    if (options.list === true) return list(service, say, options.json ?? false)
    const { tenant } = options
    if (tenant === undefined) {
      throw new OperatorError('which tenant is to be erased?', {
        remedy: 'Give its id with --tenant; `agentfs-client whoami --json` shows it to its people.',
      })
    }
    const { database, sweeper } = service
    const [target] = await targets(database, sweeper, { tenant, agent: undefined })
    if (target !== undefined) await erase(service, target.scope, options, say)
    return 0
  })
}

async function erase(
  service: OfflineService,
  scope: TenantScope,
  options: EraseTenantOptions,
  say: (line: string) => void,
): Promise<void> {
  const { database, note } = service
  const keys = await confirmedErasure(service, scope, options.name)
  if (keys === null) note('it was erased before')
  const ledger = await finish(service, scope)
  if (options.json === true) say(JSON.stringify({ erased: scope.tenantId, keys: keys ?? 0, ledger }))
  else say(`erased ${scope.tenantId}`)
  const store = new ErasedTenantsStore(database)
  if (await store.hasMirrors(scope)) note('documents of its open mirrors are left: workers delete them')
  if (ledger === 'stored') note('its objects go with the collections after the grace time of seven days')
}

/** Erases once the name was repeated; gives how many keys went, null where the tenant was erased already. */
async function confirmedErasure(
  { database, resources }: OfflineService,
  scope: TenantScope,
  given: string | undefined,
): Promise<number | null> {
  const name = await nameOf(database, scope)
  if (name === undefined) return null
  const typed = given ?? (await ask(`Tenant ${scope.tenantId} is named ${JSON.stringify(name)}.`))
  if (typed !== name) {
    throw new OperatorError('nothing was erased: that is not the name of the tenant', {
      remedy: 'Type its name as it was shown, or give it with --name.',
    })
  }
  const actor = { kind: 'service', id: 'operator' } as const
  const by = { actor, keyId: null, door: 'cli', requestId: uuidv7() } as const
  const reason = 'tenant erased by the operator'
  return eraseTenantFor({ database, resources }, scope, { ...by, reason }, new Date())
}

/** Puts the tombstone into the ledger and deletes the rows; what does not answer now, workers finish. */
async function finish(
  { database, resources, sweeper, signal, note }: OfflineService,
  scope: TenantScope,
): Promise<'stored' | 'pending'> {
  const chore = new ErasedTenantsChore({ database, resources })
  const target = { tenant: scope.tenantId, agent: undefined }
  try {
    await runChore({ database, sweeper, chore }, target, { dryRun: false, signal }, () => undefined)
    return 'stored'
  } catch (error) {
    note(`nothing of it opens any more; the rest is left to the workers: ${explain(error)}`)
    return 'pending'
  }
}

async function list(
  { database, resources, sweeper }: OfflineService,
  say: (line: string) => void,
  json: boolean,
): Promise<number> {
  const store = new ErasedTenantsStore(database)
  for await (const scope of sweeper.tenantsAcrossTenants()) {
    const tombstone = await store.tombstone(scope)
    if (tombstone === undefined) continue
    const { at, reason, record } = tombstone
    const told = record === null ? null : await openErasureRecord({ resources }, scope, record)
    if (json) say(JSON.stringify({ tenant: scope.tenantId, at, reason, record: told }))
    else {
      const by = told === null ? '' : `, ${told.actor.kind} ${told.actor.id}, request ${told.requestId}`
      say(`${scope.tenantId} ${at.toISOString()} ${reason}${by}`)
    }
  }
  return 0
}

async function nameOf(database: Database, scope: TenantScope): Promise<string | undefined> {
  return (await database.readTenant(scope, (tx) => findTenant(tx)))?.name
}

async function ask(facts: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new OperatorError('the name of the tenant has to be repeated', { remedy: 'Give it with --name.' })
  }
  const reader = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await reader.question(`${facts} Type that name to erase it with all its files, for good: `)
  } finally {
    reader.close()
  }
}
