import { AgentfsError, XATTRS_BYTES_MAX, xattrsBytes } from '@agentfs/contracts'
import { appendEntries, assertRoom, ENTRY_COST_BYTES } from './append-entry.js'
import { parentOf } from './namespace.js'
import { StoreError } from './store-error.js'
import type { StoreState } from './store-state.js'

/** Linux's bounds: bytes of a name, bytes of a value. */
const NAME_BYTES_MAX = 255
const VALUE_BYTES_MAX = 65_536

/** The value of an attribute; undefined where it is not set. */
export function readXattr(state: StoreState, ino: number, name: string): Uint8Array | undefined {
  const value = xattrsOf(state, ino)[name]
  return value === undefined ? undefined : Buffer.from(value, 'base64')
}

/** The names of the attributes that are set. */
export function listXattrs(state: StoreState, ino: number): string[] {
  return Object.keys(xattrsOf(state, ino))
}

/** Sets an attribute. */
export function setXattr(
  state: StoreState,
  ino: number,
  name: string,
  value: Uint8Array,
  mode: 'any' | 'create' | 'replace',
): void {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX || name === '') {
    throw new AgentfsError('invalid_request', {
      detail: `an attribute's name has 1 to ${NAME_BYTES_MAX} bytes`,
    })
  }
  if (value.length > VALUE_BYTES_MAX) {
    throw new AgentfsError('too_large', {
      detail: `an attribute's value has at most ${VALUE_BYTES_MAX} bytes`,
    })
  }
  const standing = readXattr(state, ino, name)
  if (mode === 'create' && standing !== undefined) throw new AgentfsError('already_exists')
  if (mode === 'replace' && standing === undefined) throw new AgentfsError('not_found')
  const stored = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  const xattrs = { ...xattrsOf(state, ino), [name]: stored }
  if (xattrsBytes(xattrs) > XATTRS_BYTES_MAX) {
    throw new StoreError(
      'attributes_full',
      `attributes of one file have at most ${XATTRS_BYTES_MAX} bytes together`,
    )
  }
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) {
    orphan.image = { ...orphan.image, xattrs, ctime: state.now() }
    return
  }
  const node = state.nodeOf(ino)
  assertRoom(state, ENTRY_COST_BYTES + stored.length)
  const operation = { op: 'setxattr', node: node.id, name, value: stored } as const
  appendEntries(state, [{ operation, parent: parentOf(state, node), time: state.now() }])
}

/** Removes an attribute; false where it was not set. */
export function removeXattr(state: StoreState, ino: number, name: string): boolean {
  if (readXattr(state, ino, name) === undefined) return false
  const orphan = state.handles.orphan(ino)
  if (orphan !== undefined) {
    const { [name]: _removed, ...xattrs } = orphan.image.xattrs ?? {}
    orphan.image = { ...orphan.image, xattrs, ctime: state.now() }
    return true
  }
  const node = state.nodeOf(ino)
  appendEntries(state, [
    {
      operation: { op: 'removexattr', node: node.id, name },
      parent: parentOf(state, node),
      time: state.now(),
    },
  ])
  return true
}

function xattrsOf(state: StoreState, ino: number): Readonly<Record<string, string>> {
  return (state.handles.orphan(ino)?.image ?? state.nodeOf(ino)).xattrs ?? {}
}
