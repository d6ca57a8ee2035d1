import { CommanderError } from 'commander'
import { explain } from './operator-error.js'
import { createProgram } from './program.js'

const program = createProgram((code) => (process.exitCode = code))
try {
  await program.parseAsync()
} catch (error) {
  // Commander has printed its own message; usage errors are 2 (SURFACE, "Commands").
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.stderr.write(`agentfs-server: ${explain(error)}\n`)
    process.exitCode = 1
  }
}
