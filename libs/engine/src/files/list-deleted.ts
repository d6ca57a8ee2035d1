import { type DeletedFile, type ListOf, type ListQuery, nameToBytes, uuid } from '@agentfs/contracts'
import { type AgentRow, listDeletedFiles, storedThrough } from '@agentfs/storage'
import type { Caller } from '../caller.js'
import type { FilesTools } from './files-tools.js'
import { statOf } from './stat-of.js'

const FIRST = '00000000-0000-0000-0000-000000000000'

/** Deleted files that can still be restored, in the order of their ids; those whose paths the caller may not see are left out. */
export async function listDeleted(
  tools: FilesTools,
  caller: Caller,
  agent: AgentRow,
  query: ListQuery,
): Promise<ListOf<DeletedFile>> {
  const after = query.cursor === undefined ? FIRST : uuid.parse(query.cursor)
  const { rows, stored } = await tools.database.withTenant(caller.principal.scope, async (tx) => ({
    rows: await listDeletedFiles(tx, agent.agentId, after, query.limit + 1),
    stored: await storedThrough(tx, agent.agentId),
  }))
  const page = rows.slice(0, query.limit)
  const data = page
    .filter(({ names }) => tools.gate.decide(caller, agent, names.join('/'), 'read', 'file').allowed)
    .map((row): DeletedFile => {
      const { names, uid, gid, mtimeSec, mtimeNsec, xattrs, deletedAt } = row
      return {
        ...statOf(row, names, agent.epoch, stored),
        ...(names.some(isRaw) ? { pathBase64: bytesOf(names).toString('base64') } : {}),
        uid,
        gid,
        mtime: [mtimeSec, mtimeNsec],
        ...(xattrs === null ? {} : { xattrs }),
        deletedAt: deletedAt.toISOString(),
      }
    })
  return { data, nextCursor: rows.length > query.limit ? (page.at(-1)?.nodeId ?? null) : null }
}

function isRaw(name: string): boolean {
  return name.startsWith('\0')
}

function bytesOf(names: readonly string[]): Buffer {
  return Buffer.concat(
    names.flatMap((name, at) => [...(at === 0 ? [] : [Buffer.from('/')]), Buffer.from(nameToBytes(name))]),
  )
}
