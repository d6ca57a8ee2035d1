/** Makes something of each item, some of them before their turn, and gives them in order. */
export async function* ahead<T, M>(
  howMany: number,
  items: Iterable<T>,
  make: (item: T) => Promise<M>,
): AsyncGenerator<{ readonly item: T; readonly made: M }> {
  const waiting: { readonly item: T; readonly making: Promise<M> }[] = []
  for (const item of items) {
    const making = make(item)
    // Awaited below in its turn; a failure before that is no unhandled one.
    making.catch(() => undefined)
    waiting.push({ item, making })
    if (waiting.length < howMany) continue
    const first = waiting.shift()
    if (first !== undefined) yield { item: first.item, made: await first.making }
  }
  for (const { item, making } of waiting) yield { item, made: await making }
}
