// A checkpoint: a signed note (signed-note.ts) over the streams of a tenant that grew since the one before.
//
//   agentfs/checkpoint/v1
//   tenant <uuid>
//   number <1, 2, …>
//   at <RFC 3339, milliseconds, UTC>
//   previous <hex SHA-256 of the previous checkpoint's text, or - for the first>
//   stream <uuid> <epoch> <size> <hex root>       sorted by stream and epoch
import { hash } from 'node:crypto'
import { AgentfsError } from '@agentfs/contracts'
import { type NoteSigner, type NoteVerifier, openNote, signNote } from './signed-note.js'

/** Size and root of one stream's log. */
export interface StreamHead {
  readonly stream: string
  readonly epoch: number
  readonly size: number
  /** 64 hex digits. */
  readonly root: string
}

/** What a tenant's audit key signs. */
export interface Checkpoint {
  readonly tenant: string
  readonly number: number
  readonly at: string
  /** `checkpointHash` of the one before; null for number 1. */
  readonly previous: string | null
  /** Streams that grew, sorted by id, then epoch; each once. */
  readonly streams: readonly StreamHead[]
}

/** Signs a checkpoint; streams are put in order. */
export function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): string {
  return signNote(encodeCheckpoint(checkpoint), signer)
}

/** Opens a checkpoint's note; `object_corrupt` unless a known key signed it and it is well formed. */
export function verifyCheckpoint(note: string, verifiers: readonly NoteVerifier[]): Checkpoint {
  return parseCheckpoint(openNote(note, verifiers).text)
}

/** What the next checkpoint holds as `previous`: hash of the text, so that signatures may be added to a note later. */
export function checkpointHash(checkpoint: Checkpoint): string {
  return hash('sha256', Buffer.from(encodeCheckpoint(checkpoint), 'utf8'), 'hex')
}

/** The text that is signed. RangeError for what is no checkpoint. */
export function encodeCheckpoint(checkpoint: Checkpoint): string {
  const { tenant, number, at, previous, streams } = checkpoint
  const lines = [...streams]
    .toSorted(compareStreams)
    .map(({ stream, epoch, size, root }) => `stream ${stream} ${epoch} ${size} ${root}\n`)
  const text = `${FORMAT}\ntenant ${tenant}\nnumber ${number}\nat ${at}\nprevious ${previous ?? '-'}\n${lines.join('')}`
  if (readText(text) === undefined) throw new RangeError('not a checkpoint')
  return text
}

/** Reads the text of a checkpoint; `object_corrupt` unless it is exactly what `encodeCheckpoint` writes. */
export function parseCheckpoint(text: string): Checkpoint {
  const checkpoint = readText(text)
  if (checkpoint === undefined)
    throw new AgentfsError('object_corrupt', { objectKind: 'checkpoint', reason: 'not a checkpoint' })
  return checkpoint
}

const FORMAT = 'agentfs/checkpoint/v1'
const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const COUNT = '(?:0|[1-9][0-9]{0,15})'
const HEAD = new RegExp(
  `^${FORMAT}\\ntenant (?<tenant>${UUID})\\nnumber (?<number>${COUNT})\\n` +
    `at (?<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z)\\n` +
    `previous (?<previous>-|[0-9a-f]{64})\\n`,
  'u',
)
const STREAM = new RegExp(
  `^stream (?<stream>${UUID}) (?<epoch>${COUNT}) (?<size>${COUNT}) (?<root>[0-9a-f]{64})$`,
  'u',
)

function readText(text: string): Checkpoint | undefined {
  const head = HEAD.exec(text)
  if (head?.groups === undefined || !text.endsWith('\n')) return undefined
  const { tenant = '', number: digits = '', at = '', previous = '' } = head.groups
  const rest = text.slice(head[0].length)
  const streams = rest === '' ? [] : rest.slice(0, -1).split('\n').map(readStream)
  const number = Number(digits)
  // The first has no previous, and only the first.
  if (number < 1 || !Number.isSafeInteger(number) || (previous === '-') !== (number === 1)) return undefined
  if (!areInOrder(streams)) return undefined
  return { tenant, number, at, previous: previous === '-' ? null : previous, streams }
}

function readStream(line: string): StreamHead | undefined {
  const { stream, epoch, size, root } = STREAM.exec(line)?.groups ?? {}
  if (stream === undefined || root === undefined) return undefined
  return { stream, epoch: Number(epoch), size: Number(size), root }
}

function areInOrder(streams: readonly (StreamHead | undefined)[]): streams is StreamHead[] {
  return streams.every((head, index) => {
    const before = streams[index - 1]
    return head !== undefined && (before === undefined || compareStreams(before, head) < 0)
  })
}

function compareStreams(a: StreamHead, b: StreamHead): number {
  if (a.stream !== b.stream) return a.stream < b.stream ? -1 : 1
  return a.epoch - b.epoch
}
