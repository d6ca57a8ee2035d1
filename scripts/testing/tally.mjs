/** Adds up what the parts of a test run say. A part gives `{ passed, failed, notes }`. */
export class Tally {
  #rows = []

  /** Runs one part under its name; a part that throws could not run, and has failed. */
  async part(name, run) {
    process.stderr.write(`\n── ${name}\n`)
    const startedAt = performance.now()
    const result = await run().catch((error) => ({
      passed: 0,
      failed: 1,
      notes: [error.message],
    }))
    this.#rows.push({ name, seconds: (performance.now() - startedAt) / 1000, ...result })
    return result.failed === 0
  }

  /** Prints a line per part, and the sum as the very last line of stdout. */
  print() {
    process.stderr.write('\n')
    for (const { name, seconds, passed, failed, notes = [] } of this.#rows) {
      const counts = passed + failed === 0 ? '' : `  ${passed} passed, ${failed} failed`
      process.stderr.write(`${failed === 0 ? '✓' : '✗'} ${name}  ${seconds.toFixed(1)} s${counts}\n`)
      for (const note of notes) process.stderr.write(`    ${note}\n`)
    }
    const sum = (field) => this.#rows.reduce((total, row) => total + row[field], 0)
    process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed\n`)
    return sum('failed') === 0
  }
}
