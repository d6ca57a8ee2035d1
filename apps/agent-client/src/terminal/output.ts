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
  /** Ends the progress line. */
  progressEnd(): void
}

/** Output to the process's own streams. */
export function processOutput(options: { json: boolean; quiet: boolean }): Output {
  let progressShown = false
  const clear = (): void => {
    if (progressShown) process.stderr.write('\r\x1b[K')
    progressShown = false
  }
  const write = (object: unknown, text: string): void => {
    clear()
    if (options.json) process.stdout.write(`${JSON.stringify(object)}\n`)
    else if (text !== '') process.stdout.write(`${text}\n`)
  }
  return {
    ...options,
    result: write,
    row: write,
    note(text) {
      clear()
      if (!options.quiet) process.stderr.write(`${text}\n`)
    },
    progress(text) {
      if (options.quiet || !process.stderr.isTTY) return
      process.stderr.write(`\r\x1b[K${text}`)
      progressShown = true
    },
    progressEnd: clear,
  }
}
