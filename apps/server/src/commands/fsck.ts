import { mintTenantScope } from '@agentfs/access'
import { type Kms, SERVICE_TENANT_ID } from '@agentfs/crypto'
import { type Finding, Fsck, Generation, isFault, tenantPrefix } from '@agentfs/engine'
import type { ObjectStore } from '@agentfs/storage'
import { readConfig, type ServerConfig } from '../config.js'
import { progressLine } from '../maintenance/progress-line.js'
import { targets } from '../maintenance/run-chore.js'
import { checkServiceSecret } from '../secrets/ledger-service-secrets.js'
import { withOfflineService } from './offline.js'

const REMEDY =
  'Put each object back from a copy of the bucket, and type agentfs-server fsck again. Where there is no copy, restore an older ' +
  'version of the file: agentfs-client restore PATH --file-version N.'

/** What is typed after `fsck`. */
export interface FsckCommandOptions {
  readonly tenant?: string
  readonly agent?: string
  readonly quick?: boolean
  readonly afterRestore?: boolean
  readonly json?: boolean
}

/** Checks tenants one after the other; names each fault on a line of its own, and gives 1 where there is any. */
export async function fsckCommand(
  options: FsckCommandOptions,
  say: (line: string) => void,
  config: ServerConfig = readConfig(),
): Promise<number> {
  const { quick = false, json = false } = options
  return withOfflineService(config, async ({ database, resources, sweeper, signal, objectStore, kms }) => {
    const work = await targets(database, sweeper, { tenant: options.tenant, agent: options.agent })
    const fsck = new Fsck({ database, resources })
    const counts = { faults: 0, ahead: 0, orphans: 0, objects: 0, bytes: 0 }
    let stored = 0
    const line = progressLine()
    const report = (finding: Finding): void => {
      line.clear()
      if (isFault(finding)) counts.faults += 1
      else counts.orphans += 1
      if (finding.kind === 'ahead') counts.ahead += 1
      else if (isFault(finding) && finding.object !== 'postgres') stored += 1
      say(json ? JSON.stringify(finding) : sentence(finding))
    }
    const startedMs = performance.now()
    const rate = (bytes: number): string =>
      `${(bytes / 1024 ** 2 / Math.max(0.001, (performance.now() - startedMs) / 1_000)).toFixed(1)} MiB/s`
    if (options.tenant === undefined && options.agent === undefined) {
      for await (const finding of checkServiceSecrets(objectStore, kms)) report(finding)
      const miscounted = await new Generation(database, resources).problem()
      if (miscounted !== undefined) report({ kind: 'damaged', tenantId: SERVICE_TENANT_ID, ...miscounted })
    }
    for (const [index, { scope, agentId }] of work.entries()) {
      const before = { ...counts }
      const findings = fsck.checkTenant(scope, {
        quick,
        ...(agentId === null ? {} : { agentId }),
        onProgress: ({ objects, bytes }) => {
          counts.objects = before.objects + objects
          counts.bytes = before.bytes + bytes
          line.show(index, work.length, `${counts.objects} objects, ${rate(counts.bytes)}`)
          signal.throwIfAborted()
        },
      })
      for await (const finding of findings) report(finding)
      signal.throwIfAborted()
    }
    line.clear()
    say(
      json
        ? JSON.stringify({ ok: counts.faults === 0, tenants: work.length, ...counts })
        : `${counts.faults === 0 ? 'clean' : counted(counts.faults, 'fault')}: ${counted(work.length, 'tenant')}, ${counted(counts.objects, 'object')}, ${counted(counts.orphans, 'orphan')}, ${rate(counts.bytes)}`,
    )
    if (options.afterRestore === true && !json) for (const advice of afterRestore(counts)) say(advice)
    else if (stored > 0 && !json) say(REMEDY)
    return counts.faults === 0 ? 0 : 1
  })
}

/** The service's own secrets in the bucket. */
async function* checkServiceSecrets(store: ObjectStore, kms: Kms): AsyncGenerator<Finding> {
  const prefix = `${tenantPrefix(mintTenantScope(SERVICE_TENANT_ID))}/keys/`
  for await (const { key } of store.list(prefix)) {
    const problem = await checkServiceSecret(kms, key, await store.get(key))
    if (problem !== undefined) yield { kind: 'damaged', tenantId: SERVICE_TENANT_ID, object: key, problem }
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function sentence({ kind, object, problem, agentId, versionId, file, bytes, ageMs }: Finding): string {
  const facts = [
    ...(agentId === undefined ? [] : [`agent ${agentId}`]),
    ...(versionId === undefined ? [] : [`version ${versionId}`]),
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
    ...(ageMs === undefined ? [] : [`${Math.max(0, Math.floor(ageMs / 86_400_000))} days old`]),
  ]
  return `${kind} ${object}: ${problem}${file === undefined ? '' : neededBy(file)}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`
}

function neededBy({ agent, path, version, versions }: NonNullable<Finding['file']>): string {
  const others = versions === 1 ? '' : ` and ${counted(versions - 1, 'more version')}`
  return `; needed by ${path ?? 'a file without a name'}, version ${version}${others}, of agent ${agent}`
}

function afterRestore({ faults, ahead }: { readonly faults: number; readonly ahead: number }): string[] {
  if (faults === 0) return ['The database knows all that the bucket has: start the service.']
  return [
    ...(ahead > 0
      ? [
          `${ahead} segments hold commits that this database does not know: it is older than the bucket. Do not delete anything.`,
          'Start the service: it takes them in before it takes writes. Or rebuild an empty database: agentfs-server recover.',
        ]
      : []),
    ...(faults > ahead
      ? [
          'Where rows point at objects that are gone, the backup is older than the grace time of the collector: restore a newer',
          'one, or rebuild an empty database from the bucket with agentfs-server recover. Then run fsck again.',
        ]
      : []),
  ]
}
