import type { Attributes, Invalidation } from '../store/store-types.js'
import type { ReferenceService } from './reference-service.js'
import type { StoreFixture } from './store-fixture.js'

/** What a kernel may have cached of a mount, all of it at once, and what is left after invalidations [SY-17]. */
export class KernelModel {
  readonly #attributes = new Map<number, string>()
  readonly #contents = new Map<number, string>()
  readonly #listings = new Map<number, string>()
  readonly #entries = new Map<string, { parentIno: number; name: string; ino: number | undefined }>()

  /** Looks at everything there is, and at names that there are not. */
  constructor(fixture: StoreFixture, service: ReferenceService, absent: readonly string[]) {
    this.#look(fixture, service, absent, 1)
  }

  /** Forgets what it is told to. */
  apply(invalidations: readonly Invalidation[]): void {
    for (const invalidation of invalidations) {
      if (invalidation.kind === 'entry')
        this.#entries.delete(`${invalidation.parentIno}/${invalidation.name}`)
      else {
        this.#attributes.delete(invalidation.ino)
        if (invalidation.kind === 'content') {
          this.#contents.delete(invalidation.ino)
          this.#listings.delete(invalidation.ino)
        }
      }
    }
  }

  /** What is still cached and not true any more; a stale inode is only reached by what is reported for its name. */
  stale(fixture: StoreFixture, service: ReferenceService): string[] {
    const { store } = fixture
    const wrong: string[] = []
    for (const { parentIno, name, ino } of this.#entries.values()) {
      const now = attempt(() => store.lookup(parentIno, name)?.ino)
      if (now !== 'gone' && now !== ino) wrong.push(`name ${parentIno}/${name}: ${ino} is now ${now}`)
    }
    for (const [ino, cached] of this.#attributes) {
      const now = attempt(() => shownAttributes(store.attributes(ino)))
      if (now !== cached && now !== 'gone') wrong.push(`attributes of ${ino}: ${cached} is now ${now}`)
    }
    for (const [ino, cached] of this.#contents) {
      const now = attempt(() => fixture.text(ino, service))
      if (now !== cached && now !== 'gone') wrong.push(`content of ${ino}: ${cached} is now ${now}`)
    }
    for (const [ino, cached] of this.#listings) {
      const now = attempt(() => shownListing(fixture, ino))
      if (now !== cached && now !== 'gone') wrong.push(`listing of ${ino}: ${cached} is now ${now}`)
    }
    return wrong
  }

  #look(fixture: StoreFixture, service: ReferenceService, absent: readonly string[], ino: number): void {
    const { store } = fixture
    this.#attributes.set(ino, shownAttributes(store.attributes(ino)))
    this.#listings.set(ino, shownListing(fixture, ino))
    for (const name of absent) this.#entries.set(`${ino}/${name}`, { parentIno: ino, name, ino: undefined })
    for (const entry of store.list(ino)) {
      this.#entries.set(`${ino}/${entry.name}`, { parentIno: ino, name: entry.name, ino: entry.ino })
      if (entry.kind === 'directory') this.#look(fixture, service, absent, entry.ino)
      else {
        this.#attributes.set(entry.ino, shownAttributes(store.attributes(entry.ino)))
        this.#contents.set(entry.ino, fixture.text(entry.ino, service))
      }
    }
  }
}

function shownAttributes(attributes: Attributes): string {
  return JSON.stringify(attributes)
}

function shownListing(fixture: StoreFixture, ino: number): string {
  return fixture.store
    .list(ino)
    .map(({ name, ino: child }) => `${name}=${child}`)
    .toSorted()
    .join(' ')
}

function attempt<T>(look: () => T): T | 'gone' {
  try {
    return look()
  } catch {
    return 'gone'
  }
}
