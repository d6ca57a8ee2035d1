import { readFileSync } from 'node:fs'
import { buildProgram, runProgram } from './program.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}
// `cat` into a pipe that closes early is no error: what is left has no reader.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})
process.exitCode = await runProgram(buildProgram(version), process.argv.slice(2))
