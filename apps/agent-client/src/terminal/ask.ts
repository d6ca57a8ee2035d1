import { createInterface } from 'node:readline'
import { UsageError } from '../exit-codes.js'

/** Asks on the terminal; a secret is not shown. Where nobody could answer it refuses, and says what to give `instead`. */
export async function ask(question: string, options: { secret?: boolean; instead: string }): Promise<string> {
  if (!process.stdin.isTTY)
    throw new UsageError(`not a terminal, so nobody can be asked: give ${options.instead}`)
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true })
  if (options.secret === true) {
    // Keeps readline from echoing what is typed.
    Object.assign(reader, { _writeToOutput: () => undefined })
    process.stderr.write(`${question}: `)
  }
  try {
    return await new Promise((resolve) => {
      reader.question(options.secret === true ? '' : `${question}: `, resolve)
    })
  } finally {
    reader.close()
    if (options.secret === true) process.stderr.write('\n')
  }
}

/** All of standard input, as text without the final newline. */
export async function readStdinText(): Promise<string> {
  return (await readStdin()).toString('utf8').replace(/\r?\n$/, '')
}

/** All of standard input. */
export async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
