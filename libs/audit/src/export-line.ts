// An export of the audit log: NDJSON, one of these per line. Records of one log stand in the order of the log;
// lines of several logs, checkpoints and keys may be mixed.
import type { LogState } from './merkle-log.js'
import { requireLogState } from './merkle-log.js'

/** One line of an export. */
export type ExportLine =
  /** Where the log of a stream's epoch starts in this export; absent when it starts at its first leaf. */
  | {
      readonly type: 'log'
      readonly stream: string
      readonly epoch: number
      readonly size: number
      /** Hex compact range of the leaves left out. */
      readonly range: string
    }
  /** A record, or the start of an epoch; any JSON object that names its stream and epoch. */
  | { readonly type: 'record'; readonly record: object }
  /** A checkpoint's signed note. */
  | { readonly type: 'checkpoint'; readonly note: string }
  /** A verifier key of the tenant, for readers who have none from elsewhere. */
  | { readonly type: 'key'; readonly key: string }

/** What a parsed line says; `undefined` when it is no line of an export. */
export type ReadLine =
  | { readonly type: 'log'; readonly stream: string; readonly epoch: number; readonly state: LogState }
  | {
      readonly type: 'record'
      readonly stream: string
      readonly epoch: number
      readonly record: object
      readonly forkedFrom: LogHead | undefined
    }
  | { readonly type: 'checkpoint'; readonly note: string }
  | { readonly type: 'key'; readonly key: string }

/** Size and root of a log, in hex. */
interface LogHead {
  readonly epoch: number
  readonly size: number
  readonly root: string
}

/** Reads a line that was parsed from JSON. */
export function readExportLine(line: unknown): ReadLine | undefined {
  if (!isObject(line)) return undefined
  const { type, record, note, key } = line
  if (type === 'record' && isObject(record)) return readRecord(record)
  if (type === 'checkpoint' && typeof note === 'string') return { type, note }
  if (type === 'key' && typeof key === 'string') return { type, key }
  return type === 'log' ? readLog(line) : undefined
}

function readRecord(record: Fields): ReadLine | undefined {
  const { stream, epoch, forkedFrom } = record
  if (typeof stream !== 'string' || !isCount(epoch)) return undefined
  if (forkedFrom === undefined) return { type: 'record', stream, epoch, record, forkedFrom }
  if (!isObject(forkedFrom)) return undefined
  const { epoch: oldEpoch, size, root } = forkedFrom
  if (!isCount(oldEpoch) || !isCount(size) || typeof root !== 'string') return undefined
  return { type: 'record', stream, epoch, record, forkedFrom: { epoch: oldEpoch, size, root } }
}

function readLog({ stream, epoch, size, range }: Fields): ReadLine | undefined {
  if (typeof stream !== 'string' || !isCount(epoch) || !isCount(size) || typeof range !== 'string')
    return undefined
  try {
    return { type: 'log', stream, epoch, state: requireLogState({ size, range: Buffer.from(range, 'hex') }) }
  } catch {
    return undefined
  }
}

type Fields = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
