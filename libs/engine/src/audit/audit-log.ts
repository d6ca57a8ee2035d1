import type { ExportLine } from '@agentfs/audit'
import {
  AgentfsError,
  type AuditCheckpoint,
  type AuditEvent,
  type AuditExportQuery,
  auditEvent,
  type AuditAction,
  type AuditQuery,
  type ListOf,
  type ListQuery,
} from '@agentfs/contracts'
import {
  type AuditEventRow,
  type Database,
  findSubjectKeyId,
  listAuditEvents,
  listCheckpoints,
  type TenantTransaction,
} from '@agentfs/storage'
import type { AgentGate } from '../agents/agent-gate.js'
import type { AuditApi } from '../api/audit-api.js'
import type { Caller } from '../caller.js'
import { exportLog } from '../checkpoints/audit-export.js'
import type { KeyVault, UsableKey } from '../keys/key-vault.js'
import { openText } from '../keys/sealed-text.js'
import type { EngineLog } from '../ports.js'
import type { Administration } from '../streams/administration.js'
import type { AuditBatch } from '../streams/audit-batch.js'
import type { RecordReader } from '../streams/record-reader.js'

/** The audit log of a tenant, as its managers see it. */
export class AuditLog implements AuditApi {
  readonly #database: Database
  readonly #vault: KeyVault
  readonly #gate: AgentGate
  readonly #administration: Administration
  readonly #batch: AuditBatch
  readonly #log: EngineLog
  readonly #records: RecordReader

  constructor(
    database: Database,
    vault: KeyVault,
    gate: AgentGate,
    administration: Administration,
    batch: AuditBatch,
    log: EngineLog,
    records: RecordReader,
  ) {
    this.#database = database
    this.#vault = vault
    this.#gate = gate
    this.#administration = administration
    this.#batch = batch
    this.#log = log
    this.#records = records
  }

  async listEvents(caller: Caller, query: AuditQuery): Promise<ListOf<AuditEvent>> {
    requireAuditor(caller)
    const { limits, scope } = caller.principal
    const asked = query.agent === undefined ? undefined : (await this.#gate.open(caller, query.agent)).agentId
    const filter = {
      before: query.cursor ?? null,
      actor: query.actor ?? null,
      agents: asked === undefined ? limits.agents : [asked],
      action: query.action ?? null,
      path: query.path ?? null,
      from: query.from === undefined ? null : new Date(query.from),
      to: query.to === undefined ? null : new Date(query.to),
      outcome: query.outcome ?? null,
    }
    const { rows, subjects } = await this.#database.withTenant(scope, async (tx) => {
      const found = await listAuditEvents(tx, filter, query.limit + 1)
      return { rows: found, subjects: await this.#subjects(tx, found) }
    })
    const page = rows.slice(0, query.limit)
    return {
      data: page.map((row) => eventOf(row, addressOf(scope.tenantId, row, subjects.get(row.actor)))),
      nextCursor: rows.length > query.limit ? (page.at(-1)?.eventId ?? null) : null,
    }
  }

  async listCheckpoints(caller: Caller, query: ListQuery): Promise<ListOf<AuditCheckpoint>> {
    requireAuditorOfAll(caller)
    const below = numberOf(query.cursor)
    const rows = await this.#database.readTenant(caller.principal.scope, (tx) =>
      listCheckpoints(tx, below, query.limit + 1),
    )
    const page = rows.slice(0, query.limit)
    return {
      data: page.map(({ number, at, note }) => ({ number, at: at.toISOString(), note })),
      nextCursor: rows.length > query.limit ? String(page.at(-1)?.number) : null,
    }
  }

  async export(caller: Caller, query: AuditExportQuery): Promise<AsyncIterable<ExportLine>> {
    requireAuditor(caller)
    const { scope } = caller.principal
    const agentId = query.agent === undefined ? null : (await this.#gate.open(caller, query.agent)).agentId
    if (agentId === null) requireAuditorOfAll(caller)
    await this.#administration.note(caller, 'tenant', [{ action: 'audit.export' }], 'allowed', agentId)
    // What is batched belongs into an export that was asked for after it happened.
    await this.flush()
    return exportLog({ database: this.#database, vault: this.#vault, records: this.#records }, scope, agentId)
  }

  recordDenial(
    caller: Caller,
    denial: { readonly action?: AuditAction; readonly agentId?: string; readonly path?: string },
  ): void {
    const { action = 'access.denied', agentId = null, path } = denial
    const change = { action, ...(path === undefined ? {} : { path }) }
    this.#administration
      .note(caller, 'tenant', [change], 'denied', agentId)
      .catch((error: unknown) => this.#log.error('a denial was not recorded', { reason: String(error) }))
  }

  flush(): Promise<void> {
    return this.#batch.flush()
  }

  /** The keys that open addresses, by actor; those of erased people are left out. */
  async #subjects(tx: TenantTransaction, rows: readonly AuditEventRow[]): Promise<Map<string, UsableKey>> {
    const subjects = new Map<string, UsableKey>()
    const sealed = rows.filter(({ addressSealed }) => addressSealed !== null)
    for (const actor of new Set(sealed.map((row) => row.actor))) {
      const [kind, id = ''] = actor.split('/')
      const subjectKeyId = await findSubjectKeyId(tx, kind === 'user' ? id : null, kind === 'key' ? id : null)
      if (subjectKeyId === undefined) continue
      const [key] = (await this.#vault.load(tx, [subjectKeyId])).values()
      if (key !== undefined) subjects.set(actor, key)
    }
    return subjects
  }
}

/** Auditors read the log and nothing else of what managers do; a key needs to be a manager's. */
function requireAuditor({ principal: { limits, actor } }: Caller): void {
  if ((limits.role === 'manager' || actor.kind === 'user') && limits.prefixes === null) return
  throw new AgentfsError('forbidden', { detail: 'the audit log needs a manager or an auditor' })
}

/** What covers all agents of a tenant is for those who may see all of them. */
function requireAuditorOfAll(caller: Caller): void {
  requireAuditor(caller)
  if (caller.principal.limits.agents === null) return
  throw new AgentfsError('forbidden', {
    detail:
      'this covers all agents of the tenant, and the credential is limited to some; name one with agent=',
  })
}

function numberOf(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER
  if (/^[1-9][0-9]{0,15}$/.test(cursor)) return Number(cursor)
  throw new AgentfsError('invalid_request', { detail: 'this cursor was not given out here' })
}

function addressOf(tenantId: string, row: AuditEventRow, key: UsableKey | undefined): string | null {
  if (row.addressSealed === null || key === undefined) return null
  return openText(tenantId, key, key.keyId, row.addressSealed)
}

function eventOf(row: AuditEventRow & { readonly leaf: Uint8Array }, address: string | null): AuditEvent {
  return auditEvent.parse({
    stream: row.streamId,
    epoch: row.epoch,
    seq: row.seq,
    index: row.changeIndex,
    at: row.at.toISOString(),
    agent: row.agentId,
    actor: row.actor,
    keyId: row.keyId,
    door: row.door,
    address,
    action: row.action,
    path: row.path,
    node: row.nodeId,
    version: row.versionId,
    outcome: row.outcome,
    requestId: row.requestId,
    leaf: Buffer.from(row.leaf).toString('hex'),
  })
}
