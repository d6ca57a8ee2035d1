import { join } from 'node:path'
import { type Logger, multistream, pino } from 'pino'
import { LogFile } from './log-file.js'

/** What a person or a supervisor sees of the service. */
export interface Output {
  readonly log: Logger
  /** One short line per step that takes noticeable time. */
  progress(message: string): void
  /** The service answers: a line that starts with `ready`, and what to type next. */
  ready(url: string, next: readonly { readonly what: string; readonly command: string }[]): void
  close(): void
}

/** With `json` every line of stdout is JSON; without, stdout is for people and the log goes to a file. */
export function openOutput(options: { readonly json: boolean; readonly logDirectory: string }): Output {
  return options.json ? jsonOutput() : textOutput(options.logDirectory)
}

function jsonOutput(): Output {
  const log = pino({ base: null })
  return {
    log,
    progress: (message) => log.info(message),
    ready: (url, next) => log.info({ url, next }, `ready ${url}`),
    close: () => undefined,
  }
}

function textOutput(logDirectory: string): Output {
  const file = new LogFile(join(logDirectory, 'service.log'))
  const warnings = { write: (line: string) => void process.stderr.write(`${readable(line)}\n`) }
  const log = pino(
    { base: null },
    multistream([
      { level: 'info', stream: file },
      { level: 'warn', stream: warnings },
    ]),
  )
  return {
    log,
    progress: (message) => {
      log.info(message)
      process.stdout.write(`${message}\n`)
    },
    ready: (url, next) => {
      log.info(`ready ${url}`)
      const width = Math.max(...next.map(({ what }) => what.length))
      const lines = next.map(({ what, command }) => `  ${what.padEnd(width)}  ${command}`)
      process.stdout.write(`ready ${url}\n\n${lines.join('\n')}\n\n`)
    },
    close: () => file.close(),
  }
}

/** A line of the log as a person reads it. */
function readable(line: string): string {
  const parsed: unknown = JSON.parse(line)
  if (typeof parsed !== 'object' || parsed === null) return line.trim()
  const { msg, level, time: _time, ...facts } = parsed as Record<string, unknown>
  const word = typeof level === 'number' && level >= 50 ? 'error' : 'warning'
  const rest = Object.keys(facts).length === 0 ? '' : ` ${JSON.stringify(facts)}`
  return `${word}: ${String(msg)}${rest}`
}
