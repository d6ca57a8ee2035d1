/** Something that a person has to put right; the message says what failed and what to do next. */
export class Failure extends Error {}

/** Prints a failure without its stack, anything else with it, and makes the process exit with 1. */
export function report(error) {
  process.stderr.write(`\n${error instanceof Failure ? error.message : error.stack}\n`)
  process.exitCode = 1
}
