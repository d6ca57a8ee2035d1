import { checks, type Check } from '../doctor/checks.js'
import { readConfig, type ServerConfig } from '../config.js'
import { explain, OperatorError } from '../operator-error.js'

/** Looks at everything a service needs, one line each, and says what to do about what is wrong; 1 where anything is. */
export async function doctor(
  say: (line: string) => void,
  json: boolean,
  readEnvironment: () => ServerConfig = readConfig,
): Promise<number> {
  const results: Result[] = []
  const look = async ({ name, run }: Check): Promise<void> => {
    const result: Result = await run().then(
      (detail) => ({ check: name, ok: true, detail }),
      (error: unknown) => ({ check: name, ok: false, ...described(error) }),
    )
    results.push(result)
    if (!json) say(`${result.ok ? 'ok    ' : 'FAILED'} ${name}: ${result.detail}${remedyLine(result)}`)
  }
  let config: ServerConfig | undefined
  await look({
    name: 'configuration',
    run: async () => {
      config = readEnvironment()
      return Promise.resolve(`state in ${config.home}`)
    },
  })
  const session = config === undefined ? undefined : checks(config)
  for (const check of session?.checks ?? []) await look(check)
  await session?.close()
  const ok = results.every((result) => result.ok)
  if (json) say(JSON.stringify({ ok, checks: results }))
  return ok ? 0 : 1
}

interface Result {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

function described(error: unknown): { detail: string; remedy?: string } {
  if (error instanceof OperatorError) return { detail: withoutRemedy(error), remedy: error.remedy }
  return { detail: explain(error) }
}

function withoutRemedy(error: OperatorError): string {
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`
}

function remedyLine({ remedy }: Result): string {
  return remedy === undefined ? '' : `\n       ${remedy}`
}
