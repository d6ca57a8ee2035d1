import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'

/** A key pair that signs access tokens; `kid` names it in their headers. */
export interface TokenKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** The local set: the first signs, all are believed, so that a new key can come before an old one goes. */
export type TokenKeySet = readonly [TokenKey, ...TokenKey[]]

/**
 * Opens the token keys of a directory, `<name>.pem` each an Ed25519 private key (PKCS #8); the last by name signs.
 * An empty directory gets its first key, 0600. Every API process needs the same directory, or a copy.
 */
export async function openTokenKeys(directory: string): Promise<TokenKeySet> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if ((await pemFiles(directory)).length === 0) await writeKey(directory)
  const keys = await Promise.all((await pemFiles(directory)).map((file) => readKey(join(directory, file))))
  const [first, ...others] = keys.toReversed()
  if (first === undefined) throw new Error(`no token key in ${directory}`)
  return [first, ...others]
}

/** A key pair from a private key. */
function tokenKey(privateKey: KeyObject): TokenKey {
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('a token key must be Ed25519')
  const publicKey = createPublicKey(privateKey)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  return { kid: hash('sha256', spki, 'base64url').slice(0, 16), privateKey, publicKey }
}

/** A fresh key pair. */
export function makeTokenKey(): TokenKey {
  return tokenKey(generateKeyPairSync('ed25519').privateKey)
}

async function pemFiles(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.pem')).toSorted()
}

async function readKey(file: string): Promise<TokenKey> {
  return tokenKey(createPrivateKey(await readFile(file)))
}

/** Whole or not at all: a process that dies in between leaves no half key to be read by the next. */
async function writeKey(directory: string): Promise<void> {
  const pem = makeTokenKey().privateKey.export({ type: 'pkcs8', format: 'pem' })
  const name = `${new Date().toISOString().replaceAll(/[-:.]/g, '')}.pem`
  const temporary = join(directory, `${name}.writing`)
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(pem)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, join(directory, name))
}
