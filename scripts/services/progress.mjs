const startedAt = Date.now()

/** One line for a person, on stderr, with the seconds since the start. */
export function progress(line) {
  process.stderr.write(`services: ${line}  [${Math.round((Date.now() - startedAt) / 1000)} s]\n`)
}
