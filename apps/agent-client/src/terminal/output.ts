/** How a command talks: results on stdout (one JSON object, or NDJSON, with `--json`), everything else on stderr. */
export interface Output {
  readonly json: boolean
  readonly quiet: boolean
  /** A command's result: the object with `--json`, else the text. */
  result(object: unknown, text: string): void
  /** One row of a list. */
  row(object: unknown, text: string): void
  /** A remark for people, on stderr. */
  note(text: string): void
  /** A line that is written over while work goes on; only on a terminal, and never with --quiet. */
  progress(text: string): void
  /** How far long work is: the progress line on a terminal, else a line every 10 s; never with --quiet. */
  transferred(text: string): void
  /** Ends the progress line. */
  progressEnd(): void
}

const TELL_EVERY_MS = 10_000

/** Output to the process's own streams. `now` is a clock in milliseconds. */
export function processOutput(
  options: { json: boolean; quiet: boolean },
  stderr: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> = process.stderr,
  now: () => number = () => performance.now(),
): Output {
  let progressShown = false
  let toldAt = now()
  const clear = (): void => {
    if (progressShown) stderr.write('\r\x1b[K')
    progressShown = false
  }
  const write = (object: unknown, text: string): void => {
    clear()
    if (options.json) process.stdout.write(`${JSON.stringify(object)}\n`)
    else if (text !== '') process.stdout.write(`${text}\n`)
  }
  const progress = (text: string): void => {
    if (options.quiet || !stderr.isTTY) return
    stderr.write(`\r\x1b[K${text}`)
    progressShown = true
  }
  return {
    ...options,
    result: write,
    row: write,
    note(text) {
      clear()
      if (!options.quiet) stderr.write(`${text}\n`)
    },
    progress,
    transferred(text) {
      progress(text)
      if (options.quiet || stderr.isTTY || now() - toldAt < TELL_EVERY_MS) return
      toldAt = now()
      stderr.write(`${text}\n`)
    },
    progressEnd: clear,
  }
}
