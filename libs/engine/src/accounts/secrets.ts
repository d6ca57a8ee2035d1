import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'

// Algorithm 2 is argon2id; costs as OWASP's 2024 sheet gives them.
const ARGON2 = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** What the service's pepper and password hashing are used for, in one place. */
export class Secrets {
  readonly pepper: KeyObject
  /** Verified against where there is no such person, so that both cases take the same time. */
  readonly #nobody: Promise<string>

  constructor(pepper: Uint8Array) {
    if (pepper.length < 32) throw new RangeError('the pepper has at least 32 bytes')
    this.pepper = createSecretKey(pepper)
    this.#nobody = hash('nobody has this password', ARGON2)
    // Awaited where it is used; a failure then must not end the process now.
    this.#nobody.catch(() => undefined)
  }

  /** Where an e-mail address stands in the directory; addresses differ in case only as text. */
  emailHash(email: string): Buffer {
    return createHmac('sha256', this.pepper).update(`email\0${email.trim().toLowerCase()}`).digest()
  }

  /** What is kept of a session's secret. */
  sessionHash(secret: Uint8Array): Buffer {
    return createHmac('sha256', this.pepper).update('session\0').update(secret).digest()
  }

  /** argon2id, as a PHC string. */
  hashPassword(password: string): Promise<string> {
    return hash(password, ARGON2)
  }

  /** True where the password is right; the same work is done where there is no hash. */
  async passwordMatches(stored: string | undefined, password: string): Promise<boolean> {
    const matches = await verify(stored ?? (await this.#nobody), password)
    return stored !== undefined && matches
  }
}

/** Compares two byte strings in constant time. */
export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
