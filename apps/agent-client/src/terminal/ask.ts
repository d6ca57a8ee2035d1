import { createInterface } from 'node:readline'
import { UsageError } from '../exit-codes.js'

/** Asks on the terminal; a secret is not shown. Refuses where nobody could answer. */
export async function ask(question: string, options: { secret?: boolean; flag: string }): Promise<string> {
  if (!process.stdin.isTTY)
    throw new UsageError(`${question.toLowerCase()} is missing; give it with ${options.flag}`)
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
