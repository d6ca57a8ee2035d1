/** A transfer that ended early, with nothing lost: the message says how it is finished. */
export class UnfinishedError extends Error {
  override readonly name = 'UnfinishedError'
}

/** A signal that Ctrl-C and SIGTERM set, for as long as the work runs; a second one ends the process at once. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const stop = (): void => controller.abort(new UnfinishedError('stopped'))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}
