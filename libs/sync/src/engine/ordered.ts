/** Runs tasks one after another, in the order given; a task that fails does not stop those behind it. */
export class Ordered {
  #tail: Promise<unknown> = Promise.resolve()

  /** The task's own outcome. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => undefined)
    return result
  }

  /** Resolves when everything given so far is done. */
  async idle(): Promise<void> {
    await this.#tail
  }
}
