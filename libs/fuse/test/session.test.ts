import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { FuseConnection, FuseHandlers } from '../src/handlers.js'
import { hasInitFlag } from '../src/flags.js'
import { OPCODE } from '../src/opcodes.js'
import type { FuseReply } from '../src/replies.js'
import type { FuseSession } from '../src/session.js'
import { createWakeHandle, closeWakeHandle, Waker } from '../src/wake.js'
import { converse, fields, INIT, request } from './wire.js'

const lookup = (unique: bigint): Buffer => request(OPCODE.LOOKUP, fields('a'), unique)

describe('INIT', () => {
  const negotiated = (
    init: Buffer,
  ): { error: number; body: Buffer; connection: FuseConnection | undefined } => {
    let connection: FuseConnection | undefined
    const { answers } = converse({ init: (agreed) => (connection = agreed) }, [init])
    return { error: answers[0]?.error ?? -1, body: answers[0]?.body ?? Buffer.alloc(0), connection }
  }

  it('with a 7.45 kernel: 1 MiB requests, wanted flags and no others', () => {
    const { error, body, connection } = negotiated(INIT)
    expect(error).toBe(0)
    expect(body).toHaveLength(64)
    expect([body.readUInt32LE(0), body.readUInt32LE(4)]).toEqual([7, 45])
    expect(body.readUInt32LE(20)).toBe(1 << 20)
    expect(body.readUInt32LE(24)).toBe(1)
    expect(body.readUInt16LE(28)).toBe(256)
    const on = [
      'ASYNC_READ',
      'ATOMIC_O_TRUNC',
      'DO_READDIRPLUS',
      'EXPLICIT_INVAL_DATA',
      'HAS_EXPIRE_ONLY',
    ] as const
    const off = [
      'AUTO_INVAL_DATA',
      'READDIRPLUS_AUTO',
      'WRITEBACK_CACHE',
      'POSIX_LOCKS',
      'FLOCK_LOCKS',
      'POSIX_ACL',
      'HANDLE_KILLPRIV',
    ] as const
    for (const flag of on)
      expect([flag, connection !== undefined && hasInitFlag(connection, flag)]).toEqual([flag, true])
    for (const flag of off)
      expect([flag, connection !== undefined && hasInitFlag(connection, flag)]).toEqual([flag, false])
  })

  it('with a 7.31 kernel: its version, its flags, no second word', () => {
    const kernel = (1 << 0) | (1 << 19) | (1 << 22)
    const { body, connection } = negotiated(request(OPCODE.INIT, fields(7, 31, 65536, kernel), 1n))
    expect(body.readUInt32LE(4)).toBe(31)
    expect(connection).toMatchObject({ minor: 31, flags: kernel, flags2: 0, readaheadBytesMax: 65536 })
  })

  it('with a newer kernel: the newest version this library knows', () => {
    expect(
      negotiated(request(OPCODE.INIT, fields(7, 99, 0, 0, 0, Buffer.alloc(44)), 1n)).connection?.minor,
    ).toBe(45)
  })

  it('with an older kernel: EPROTO', () => {
    expect(negotiated(request(OPCODE.INIT, fields(7, 30, 0, 0), 1n)).error).toBe(71)
  })
})

describe('the session', () => {
  it('answers ENOSYS to what has no handler, known opcode or not', () => {
    const unknown = [request(OPCODE.IOCTL, Buffer.alloc(32), 6n), request(4999, Buffer.alloc(8), 8n)]
    const { answers } = converse({}, [INIT, lookup(4n), ...unknown])
    expect(answers.slice(1).map(({ error, unique }) => [error, unique])).toEqual([
      [38, 4n],
      [38, 6n],
      [38, 8n],
    ])
  })

  it('maps exceptions by errnoOf, and to EIO where that fails too', () => {
    const handlers: FuseHandlers = {
      lookup: () => {
        throw new Error('gone')
      },
    }
    const errorFor = (errnoOf: () => 'ESTALE' | undefined): number | undefined =>
      converse(handlers, [INIT, lookup(4n)], { errnoOf }).answers[1]?.error
    expect(errorFor(() => 'ESTALE')).toBe(116)
    expect(errorFor(() => undefined)).toBe(5)
    expect(
      errorFor(() => {
        throw new Error('worse')
      }),
    ).toBe(5)
  })

  it('answers each request once: later answers return false and send nothing', () => {
    const results: boolean[] = []
    const handlers: FuseHandlers = {
      unlink: (_, reply) => results.push(reply.ok(), reply.ok(), reply.error('EIO')),
    }
    const { answers } = converse(handlers, [INIT, request(OPCODE.UNLINK, fields('a'), 4n)])
    expect(results).toEqual([true, false, false])
    expect(answers).toHaveLength(2)
  })

  it('keeps replies, and answers them later in any order', () => {
    const kept: FuseReply[] = []
    const handlers: FuseHandlers = {
      lookup: (_, reply) => kept.push(reply),
      statfs: () => {
        for (const reply of kept.reverse()) reply.error('ENOENT')
      },
    }
    const { answers } = converse(handlers, [
      INIT,
      lookup(4n),
      lookup(6n),
      request(OPCODE.STATFS, Buffer.alloc(0), 8n),
    ])
    expect(answers.slice(1).map(({ unique }) => unique)).toEqual([6n, 4n])
  })

  it('INTERRUPT of a kept reply answers EINTR, or calls back; of an unknown one it is ignored', () => {
    let called = 0
    const handlers: FuseHandlers = {
      lookup: () => {},
      unlink: (_, reply) => reply.onInterrupt(() => (called += 1)),
    }
    const interrupt = (unique: bigint): Buffer => request(OPCODE.INTERRUPT, fields(unique), unique | 1n, 0n)
    const { answers } = converse(handlers, [
      INIT,
      lookup(4n),
      request(OPCODE.UNLINK, fields('a'), 6n),
      interrupt(4n),
      interrupt(6n),
      interrupt(8n),
      interrupt(4n),
    ])
    expect(answers.slice(1).map(({ error, unique }) => [error, unique])).toEqual([[4, 4n]])
    expect(called).toBe(1)
  })

  it('afterAnswers waits for the replies kept for a node, and for no others', () => {
    const log: string[] = []
    const kept: FuseReply[] = []
    const keep = (_: unknown, reply: FuseReply): void => {
      kept.push(reply)
    }
    const handlers: FuseHandlers = {
      read: keep,
      rename: keep,
      statfs: (_, reply) => {
        for (const nodeid of [1, 2, 3, 4]) session.afterAnswers(nodeid, () => log.push(`after ${nodeid}`))
        for (const waiting of kept) {
          log.push('answer')
          waiting.error('EIO')
        }
        reply.error('EIO')
      },
    }
    let session: FuseSession
    const read = request(OPCODE.READ, fields(0n, 0n, 8, 0, 0n, 0, 0), 4n, 2n)
    const rename = request(OPCODE.RENAME2, fields(3n, 0, 0, 'a', 'b'), 6n, 2n)
    const statfs = request(OPCODE.STATFS, Buffer.alloc(0), 8n, 4n)
    converse(handlers, [INIT, read, rename, statfs], {}, (created) => (session = created))
    expect(log).toEqual(['after 1', 'after 4', 'answer', 'answer', 'after 2', 'after 3'])
  })

  it('answers the full 64 bits of unique', () => {
    const unique = 0xfedc_ba98_7654_3210n
    expect(converse({}, [INIT, lookup(unique)]).answers[1]?.unique).toBe(unique)
  })

  it('a directory reply that another answer overtook throws rather than send mixed bytes', () => {
    let overtaken: unknown
    const handlers: FuseHandlers = {
      readdir: (_, reply) => {
        reply.add('a', 1, 8, 1)
        keptLookup?.error('ENOENT')
        try {
          reply.send()
        } catch (error) {
          overtaken = error
        }
        reply.error('EAGAIN')
      },
      lookup: (_, reply) => (keptLookup = reply),
    }
    let keptLookup: FuseReply | undefined
    const bytes = request(OPCODE.READDIR, fields(0n, 0n, 4096, 0, 0n, 0, 0), 6n)
    const { answers } = converse(handlers, [INIT, lookup(4n), bytes])
    expect(overtaken).toBeInstanceOf(Error)
    expect(answers.slice(1).map(({ error }) => error)).toEqual([2, 11])
  })

  it('wakes: onWake runs, once for many wake-ups, and a failing one does not end the session', () => {
    const wake = createWakeHandle()
    let woken = 0
    const waker = new Waker(wake)
    waker.wake()
    waker.wake()
    const onWake = (): void => {
      woken += 1
      throw new Error('onWake fails')
    }
    expect(converse({}, [INIT], { wake, onWake }).end).toBe('stopped')
    expect(woken).toBe(1)
    closeWakeHandle(wake)
  })
})

describe('malformed requests', () => {
  /** Every handler, reading all that it was given. */
  const everything = new Proxy<FuseHandlers>(
    {},
    {
      get: (_, name) =>
        name === 'forget' || name === 'init' || typeof name === 'symbol'
          ? () => {}
          : (decoded: unknown, reply: FuseReply) => {
              structuredClone(decoded)
              reply.error('EPERM')
            },
    },
  )
  const SILENT: number[] = [OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]

  it('whatever the body, every request but the silent ones is answered, and the session lives on', () => {
    const opcode = fc
      .oneof(fc.constantFrom(...Object.values(OPCODE)), fc.integer({ min: 0, max: 5000 }))
      .filter((value) => value !== OPCODE.DESTROY && value !== OPCODE.INIT)
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => bytes.fill(0xff)),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(opcode, body), { minLength: 1, maxLength: 20 }), (list) => {
        const requests = list.map(([code, bytes], index) =>
          request(code, Buffer.from(bytes), BigInt(index * 2 + 4)),
        )
        const { answers, end } = converse(everything, [INIT, ...requests])
        const expected = list.flatMap(([code], index) =>
          SILENT.includes(code) ? [] : [BigInt(index * 2 + 4)],
        )
        expect(answers.slice(1).map(({ unique }) => unique)).toEqual(expected)
        expect(end).toBe('stopped')
      }),
      { numRuns: 300 },
    )
  })

  it('a request cut short anywhere, or of a wrong length, does not end the session', () => {
    const whole = request(OPCODE.RENAME2, fields(8n, 0, 0, 'from', 'to'), 4n)
    const cut = Array.from({ length: whole.length - 1 }, (_, index) => whole.subarray(0, index + 1))
    const errors: string[] = []
    const logger = { error: (_: unknown, message: string) => errors.push(message), warn: () => {} }
    const { answers } = converse(everything, [INIT, ...cut, lookup(6n)], { logger })
    expect(answers.at(-1)).toMatchObject({ unique: 6n, error: 1 })
    expect(new Set(errors)).toEqual(new Set(['malformed request']))
  })

  it('names that no directory can hold are refused', () => {
    for (const name of ['', 'a/b', '/']) {
      expect(
        converse(everything, [INIT, request(OPCODE.MKDIR, fields(0, 0, name), 4n)]).answers[1]?.error,
      ).toBe(5)
    }
  })
})
