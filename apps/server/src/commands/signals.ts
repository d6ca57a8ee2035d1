/** Hears SIGINT, SIGTERM and a closed terminal: the first stops gracefully, a second ends the process at once. Returns how to stop hearing. */
export function onSignals(stop: (signal: NodeJS.Signals) => void): () => void {
  let heard = false
  const hear = (signal: NodeJS.Signals): void => {
    if (heard) {
      // The embedded Postgres recovers what this leaves behind; whoever asks twice does not want to wait.
      // oxlint-disable-next-line unicorn/no-process-exit
      process.exit(signal === 'SIGINT' ? 130 : 143)
    }
    heard = true
    stop(signal)
  }
  process.on('SIGINT', hear)
  process.on('SIGTERM', hear)
  process.on('SIGHUP', hear)
  return () => {
    process.off('SIGINT', hear)
    process.off('SIGTERM', hear)
    process.off('SIGHUP', hear)
  }
}
