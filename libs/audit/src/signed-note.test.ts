import { existsSync, readFileSync } from 'node:fs'
import { verify } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import { ed25519PrivateKey, ed25519PublicKey, ed25519RawPublicKey } from './ed25519.js'
import { formatVerifierKey, openNote, parseVerifierKey, signNote } from './signed-note.js'

const corrupt = expect.objectContaining({ code: 'object_corrupt' })
const signer = { name: 'agentfs.example/audit', privateKey: ed25519PrivateKey(Buffer.alloc(32, 1)) }
const verifier = { name: signer.name, publicKey: ed25519PublicKey(ed25519RawPublicKey(signer.privateKey)) }

describe('[AUD-3] a signed note', () => {
  it('opens as the sample of golang.org/x/mod/sumdb/note', () => {
    const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    const text =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    const signature =
      'x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM='
    const note = `${text}\n— PeterNeumann ${signature}\n`
    expect(openNote(note, [parseVerifierKey(key)])).toEqual({ text, signers: ['PeterNeumann'] })
    expect(formatVerifierKey(parseVerifierKey(key))).toBe(key)
    expect(() => openNote(note.replace('answer', 'Answer'), [parseVerifierKey(key)])).toThrow(corrupt)
  })

  it('opens under a known key, whoever else signed', () => {
    const other = { name: 'witness.example', privateKey: ed25519PrivateKey(Buffer.alloc(32, 2)) }
    const note = signNote('a\n\nb\n', other, signer)
    expect(openNote(note, [verifier])).toEqual({ text: 'a\n\nb\n', signers: [signer.name] })
    const stranger = { name: other.name, publicKey: verifier.publicKey }
    expect(() => openNote(signNote('a\n', signer), [stranger])).toThrow(corrupt)
    expect(() => openNote(note, [])).toThrow(corrupt)
  })

  it('is refused when changed anywhere', () => {
    const note = signNote('first line\nsecond\n', signer)
    const unchanged = note.replace(/=+\n$/u, '')
    for (let at = 0; at < unchanged.length; at++) {
      const changed = `${note.slice(0, at)}${note[at] === 'A' ? 'B' : 'A'}${note.slice(at + 1)}`
      expect(() => openNote(changed, [verifier])).toThrow(corrupt)
      expect(() => openNote(note.slice(0, at), [verifier])).toThrow(corrupt)
    }
  })

  it('is not made of text that a note cannot hold', () => {
    for (const text of ['', 'no newline', 'a\tb\n', 'a\r\n', 'half \ud83d\n'])
      expect(() => signNote(text, signer)).toThrow(RangeError)
    expect(() => signNote('a\n', { ...signer, name: 'with space' })).toThrow(RangeError)
    expect(() => parseVerifierKey('name+00000000+AAAA')).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    )
  })
})

interface Ed25519Vector {
  readonly tcId: number
  readonly msg: string
  readonly sig: string
  readonly result: 'valid' | 'invalid'
}

interface Ed25519File {
  readonly numberOfTests: number
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string }
    readonly tests: readonly Ed25519Vector[]
  }[]
}

const VECTORS = new URL('../../../../shared/vectors/ed25519_test.json', import.meta.url)
const found = existsSync(VECTORS)

// The vectors lie beside the checkout, not in it; elsewhere this line in the report says why they did not run.
if (!found)
  it(`public Ed25519 vectors did not run: there is no ${VECTORS.pathname}`, () =>
    expect(existsSync(VECTORS)).toBe(false))

const whereFound = found ? describe : (_name: string, _suite: () => void): void => undefined
whereFound('public vectors', () => {
  it('Ed25519: every vector of ed25519_test verifies, or is refused', () => {
    const file = JSON.parse(readFileSync(VECTORS, 'utf8')) as Ed25519File
    const vectors = file.testGroups.flatMap(({ publicKey, tests }) =>
      tests.map((test) => ({ ...test, key: ed25519PublicKey(Buffer.from(publicKey.pk, 'hex')) })),
    )
    expect(vectors).toHaveLength(file.numberOfTests)
    for (const { tcId, msg, sig, result, key } of vectors) {
      const verified = verify(null, Buffer.from(msg, 'hex'), key, Buffer.from(sig, 'hex'))
      expect([tcId, verified]).toEqual([tcId, result === 'valid'])
    }
  })
})
