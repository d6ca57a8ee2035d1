import { readConfig, type ServerConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import { explain } from '../operator-error.js'
import { openDatabase } from '../service/open-database.js'
import { Shutdown } from '../service/shutdown.js'

/** Brings the database schema up to date, starting the embedded Postgres for it where there is no other. */
export async function migrateCommand(
  say: (line: string) => void,
  config: ServerConfig = readConfig(),
): Promise<number> {
  const home = homeAt(config.home)
  await makeHome(home)
  const shutdown = new Shutdown((name, error) => say(`stopping: ${name}: ${explain(error)}`))
  try {
    if (config.databaseUrl === undefined) {
      const lock = lockHome(home)
      shutdown.add('lock', () => lock.release())
    }
    const { version, applied } = await openDatabase({ config, home, shutdown, progress: say })
    say(
      applied.length === 0
        ? `the schema is up to date (version ${version})`
        : `the schema is at version ${version}`,
    )
    return 0
  } finally {
    await shutdown.run()
  }
}
