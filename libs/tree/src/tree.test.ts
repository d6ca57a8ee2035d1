import { describe, expect, it } from '@jest/globals'
import type { NodeImage, Operation } from '@agentfs/contracts'
import fc from 'fast-check'
import { isContentOperation, applyStructure } from './apply.js'
import { applyContent, planContent } from './content.js'
import { pathOf } from './ancestry.js'
import { conflictName, isConflictName } from './conflict-name.js'
import { MemoryTree } from './memory-tree.js'
import { Overlay } from './overlay.js'
import { Refusal, type ApplyContext } from './outcome.js'

const ROOT = '00000000-0000-7000-8000-000000000000'
let counter = 0
const id = (): string => `00000000-0000-7000-8000-${(++counter).toString(16).padStart(12, '0')}`

function newTree(): MemoryTree {
  const root: NodeImage = {
    id: ROOT,
    kind: 'directory',
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtime: [0, 0],
    ctime: [0, 0],
    size: 0,
    version: null,
    number: 0,
    links: 1,
    createdAt: '2026-01-01T00:00:00Z',
    modifiedAt: '2026-01-01T00:00:00Z',
    modifiedBy: 'user/x',
    seq: 0,
  }
  return new MemoryTree(root)
}

function contextAt(seq: number): ApplyContext {
  return { seq, at: '2026-01-01T00:00:00Z', time: [seq, 0], author: 'user/x', agentName: 'a', newId: id }
}

/** One operation as a commit of its own; gives the result's status, or the refusal's code. */
function commit(tree: MemoryTree, operation: Operation, seq: number): string {
  const overlay = new Overlay(tree)
  try {
    let status: string
    if (isContentOperation(operation)) {
      const plan = planContent(overlay, operation)
      const built = {
        version: {
          id: operation.version,
          parents: plan.head === null ? [] : [plan.head],
          size: 1,
          manifestHash: '0'.repeat(64),
        },
        ...(plan.kind === 'keep-both' ? { copy: id() } : {}),
      }
      status = applyContent(overlay, operation, plan, built, contextAt(seq)).result.status
    } else {
      status = applyStructure(overlay, operation, contextAt(seq)).result.status
    }
    tree.fold(overlay.delta())
    return status
  } catch (error) {
    if (error instanceof Refusal) return error.code
    throw error
  }
}

function paths(tree: MemoryTree): string[] {
  const found: string[] = []
  for (const node of tree.nodes()) {
    if (node.deleted === true || node.id === ROOT) continue
    found.push(pathOf(tree, node.id, ROOT)?.join('/') ?? `?${node.id}`)
  }
  return found.sort()
}

const create = (
  node: string,
  parent: string,
  name: string,
  kind: 'file' | 'directory' = 'file',
): Operation => ({
  op: 'create',
  node,
  parent,
  name,
  kind,
})
const write = (node: string, base: string | null, version: string): Operation => ({
  op: 'write',
  node,
  base,
  version,
  size: 1,
  extents: [],
})
const rename = (node: string, from: string, to: string, expected: string | null = null): Operation => ({
  op: 'rename',
  node,
  from: { parent: ROOT, name: from },
  to: { parent: ROOT, name: to },
  expected,
  flags: 'none',
})

describe('[CON-5] trees', () => {
  it('two creations of one directory unify, and the losing id goes on working', () => {
    const tree = newTree()
    const [first, second, file] = [id(), id(), id()]
    expect(commit(tree, create(first, ROOT, 'notes', 'directory'), 1)).toBe('applied')
    expect(commit(tree, create(second, ROOT, 'notes', 'directory'), 2)).toBe('unified')
    expect(commit(tree, create(file, second, 'a.md'), 3)).toBe('applied')
    expect(paths(tree)).toEqual(['notes', 'notes/a.md'])
  })

  it('a stale base keeps both texts', () => {
    const tree = newTree()
    const [file, v1, v2, v3] = [id(), id(), id(), id()]
    commit(tree, create(file, ROOT, 'notes.md'), 1)
    expect(commit(tree, write(file, null, v1), 2)).toBe('applied')
    expect(commit(tree, write(file, v1, v2), 3)).toBe('applied')
    expect(commit(tree, write(file, v1, v3), 4)).toBe('conflict-copy')
    expect(tree.node(file)?.version).toBe(v2)
    expect(paths(tree)).toEqual(['notes.conflict-a-1.md', 'notes.md'])
  })

  it('extended attributes of one node are bounded all together', () => {
    const tree = newTree()
    const file = id()
    commit(tree, create(file, ROOT, 'a.md'), 1)
    const set = (name: string, seq: number): string =>
      commit(tree, { op: 'setxattr', node: file, name, value: Buffer.alloc(65_000).toString('base64') }, seq)
    expect([set('user.a', 2), set('user.b', 3), set('user.b', 4), set('user.c', 5)]).toEqual([
      'applied',
      'applied',
      'applied',
      'too_large',
    ])
    expect(commit(tree, { op: 'removexattr', node: file, name: 'user.a' }, 6)).toBe('applied')
    expect(set('user.c', 7)).toBe('applied')
  })

  it('a conflict copy is told by its name, and nothing else is', () => {
    for (const name of ['notes.md', 'a', 'archive.tar.gz', 'x'.repeat(255), `${'y'.repeat(250)}.json`]) {
      const copy = conflictName(name, 'agent-7', () => false)
      expect([isConflictName(copy), isConflictName(name)]).toEqual([true, false])
    }
    for (const name of ['conflict', 'conflicts.md', 'merge.conflict-notes.md', 'a.conflict.md'])
      expect(isConflictName(name)).toBe(false)
  })

  it('rename and edit commute', () => {
    const tree = newTree()
    const [file, v1, v2] = [id(), id(), id()]
    commit(tree, create(file, ROOT, 'a.md'), 1)
    commit(tree, write(file, null, v1), 2)
    expect(commit(tree, rename(file, 'a.md', 'b.md'), 3)).toBe('applied')
    expect(commit(tree, write(file, v1, v2), 4)).toBe('applied')
    expect(paths(tree)).toEqual(['b.md'])
  })

  it('of two renames the later wins', () => {
    const tree = newTree()
    const file = id()
    commit(tree, create(file, ROOT, 'a.md'), 1)
    commit(tree, rename(file, 'a.md', 'b.md'), 2)
    expect(commit(tree, rename(file, 'a.md', 'c.md'), 3)).toBe('applied')
    expect(paths(tree)).toEqual(['c.md'])
  })

  it('an edit the deleter had not seen saves the file', () => {
    const tree = newTree()
    const [file, v1, v2] = [id(), id(), id()]
    commit(tree, create(file, ROOT, 'a.md'), 1)
    commit(tree, write(file, null, v1), 2)
    commit(tree, write(file, v1, v2), 3)
    expect(commit(tree, { op: 'unlink', node: file, parent: ROOT, name: 'a.md', base: v1 }, 4)).toBe(
      'version_conflict',
    )
    expect(paths(tree)).toEqual(['a.md'])
  })

  it('an edit of a deleted file brings it back with the ancestors it needs', () => {
    const tree = newTree()
    const [directory, file, v1, v2] = [id(), id(), id(), id()]
    commit(tree, create(directory, ROOT, 'd', 'directory'), 1)
    commit(tree, create(file, directory, 'a.md'), 2)
    commit(tree, write(file, null, v1), 3)
    expect(commit(tree, { op: 'unlink', node: file, parent: directory, name: 'a.md', base: v1 }, 4)).toBe(
      'applied',
    )
    expect(commit(tree, { op: 'rmdir', node: directory, parent: ROOT, name: 'd' }, 5)).toBe('applied')
    expect(paths(tree)).toEqual([])
    expect(commit(tree, write(file, v1, v2), 6)).toBe('applied')
    expect(paths(tree)).toEqual(['d', 'd/a.md'])
  })

  it('rmdir against a create inside keeps the directory', () => {
    const tree = newTree()
    const [directory, file] = [id(), id()]
    commit(tree, create(directory, ROOT, 'd', 'directory'), 1)
    commit(tree, create(file, directory, 'a.md'), 2)
    expect(commit(tree, { op: 'rmdir', node: directory, parent: ROOT, name: 'd' }, 3)).toBe('not_empty')
  })

  it('a move under its own descendant is refused', () => {
    const tree = newTree()
    const [outer, inner] = [id(), id()]
    commit(tree, create(outer, ROOT, 'o', 'directory'), 1)
    commit(tree, create(inner, outer, 'i', 'directory'), 2)
    const operation: Operation = {
      op: 'rename',
      node: outer,
      from: { parent: ROOT, name: 'o' },
      to: { parent: inner, name: 'x' },
      expected: null,
      flags: 'none',
    }
    expect(commit(tree, operation, 3)).toBe('invalid_request')
  })

  it('a rename over a file its writer had not seen keeps both', () => {
    const tree = newTree()
    const [mine, theirs] = [id(), id()]
    commit(tree, create(mine, ROOT, 'tmp'), 1)
    commit(tree, create(theirs, ROOT, 'notes.md'), 2)
    expect(commit(tree, rename(mine, 'tmp', 'notes.md', null), 3)).toBe('conflict-copy')
    expect(paths(tree)).toEqual(['notes.conflict-a-1.md', 'notes.md'])
  })

  it('[SY-11] save by rename keeps the id of the target', () => {
    const tree = newTree()
    const [target, source, v1, v2] = [id(), id(), id(), id()]
    commit(tree, create(target, ROOT, 'notes.md'), 1)
    commit(tree, write(target, null, v1), 2)
    commit(tree, create(source, ROOT, 'tmp'), 3)
    const replace: Operation = {
      op: 'replace',
      source,
      from: { parent: ROOT, name: 'tmp' },
      target,
      to: { parent: ROOT, name: 'notes.md' },
      base: v1,
      version: v2,
      content: { size: 1, extents: [] },
    }
    expect(commit(tree, replace, 4)).toBe('applied')
    expect(tree.entry(ROOT, 'notes.md')).toBe(target)
    expect(tree.resolve(source)).toBe(target)
    expect(tree.node(target)?.number).toBe(2)
    expect(paths(tree)).toEqual(['notes.md'])
  })

  it('an exchange swaps two names', () => {
    const tree = newTree()
    const [one, two] = [id(), id()]
    commit(tree, create(one, ROOT, 'one'), 1)
    commit(tree, create(two, ROOT, 'two'), 2)
    expect(
      commit(
        tree,
        { ...(rename(one, 'one', 'two') as Extract<Operation, { op: 'rename' }>), flags: 'exchange' },
        3,
      ),
    ).toBe('applied')
    expect(tree.entry(ROOT, 'one')).toBe(two)
    expect(tree.entry(ROOT, 'two')).toBe(one)
  })
})

describe('the tree stays a tree', () => {
  it('under any sequence of operations every live node hangs on the root, and links count its names', () => {
    const step = fc.record({
      kind: fc.constantFrom(
        'file',
        'directory',
        'write',
        'rename',
        'exchange',
        'link',
        'unlink',
        'rmdir',
        'replace',
        'stale',
      ),
      a: fc.nat(30),
      b: fc.nat(30),
      name: fc.constantFrom('a', 'b', 'c.md', 'd.md'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tree = newTree()
        const known: string[] = [ROOT]
        const pick = (at: number): string => known[at % known.length] ?? ROOT
        steps.forEach(({ kind, a, b, name }, at) => {
          const seq = at + 1
          const [first, second] = [pick(a), pick(b)]
          const place = tree.entriesOf(first)[0] ?? { parent: ROOT, name }
          const directory = tree.node(second)?.kind === 'directory' ? second : ROOT
          const operations: Record<string, () => Operation> = {
            file: () => create(id(), directory, name),
            directory: () => create(id(), directory, name, 'directory'),
            write: () => write(first, tree.node(first)?.version ?? null, id()),
            stale: () => write(first, id(), id()),
            rename: () => ({
              op: 'rename',
              node: first,
              from: place,
              to: { parent: directory, name },
              expected: tree.entry(directory, name) ?? null,
              flags: 'none',
            }),
            exchange: () => ({
              op: 'rename',
              node: first,
              from: place,
              to: { parent: directory, name },
              expected: null,
              flags: 'exchange',
            }),
            link: () => ({ op: 'link', node: first, parent: directory, name }),
            unlink: () => ({ op: 'unlink', node: first, ...place }),
            rmdir: () => ({ op: 'rmdir', node: first, ...place }),
            replace: () => ({
              op: 'replace',
              source: first,
              from: place,
              target: second,
              to: tree.entriesOf(second)[0] ?? place,
              base: tree.node(second)?.version ?? null,
              version: id(),
              content: { size: 0, extents: [] },
            }),
          }
          const operation = operations[kind]?.()
          if (operation === undefined) return
          commit(tree, operation, seq)
          if (operation.op === 'create') known.push(operation.node)
        })
        for (const node of tree.nodes()) {
          if (node.id === ROOT) continue
          const entries = tree.entriesOf(node.id)
          expect(entries.length).toBe(node.deleted === true ? 0 : node.links)
          expect(node.deleted === true || pathOf(tree, node.id, ROOT) !== undefined).toBe(true)
          for (const { parent } of entries) {
            expect(tree.node(parent)?.kind).toBe('directory')
            expect(tree.node(parent)?.deleted).not.toBe(true)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
