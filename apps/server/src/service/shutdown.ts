/** What was started, ended in the reverse order. */
export class Shutdown {
  readonly #steps: { readonly name: string; readonly end: () => Promise<void> | void }[] = []
  readonly #onError: (name: string, error: unknown) => void
  #ending: Promise<void> | undefined

  constructor(onError: (name: string, error: unknown) => void) {
    this.#onError = onError
  }

  /** Notes how to end what was just started. */
  add(name: string, end: () => Promise<void> | void): void {
    this.#steps.push({ name, end })
  }

  /** Ends everything, last first; what fails to end keeps nothing else from it. Calling again waits for the same. */
  run(): Promise<void> {
    this.#ending ??= this.#run()
    return this.#ending
  }

  async #run(): Promise<void> {
    for (const { name, end } of this.#steps.toReversed()) {
      try {
        await end()
      } catch (error) {
        this.#onError(name, error)
      }
    }
  }
}
