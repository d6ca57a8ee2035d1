import { type ServerConfig, readConfig } from '../config.js'
import { homeAt, lockHome, makeHome } from '../home.js'
import { openOutput, type Output } from '../logging/console-output.js'
import { explain } from '../operator-error.js'
import { nextCommands } from '../service/next-commands.js'
import type { ServiceRole } from '../service/roles.js'
import { requireFreePort } from '../service/require-free-port.js'
import { Shutdown } from '../service/shutdown.js'
import { startService } from '../service/start-service.js'
import { onSignals } from './signals.js'

/** What is typed after `start`. */
export interface StartOptions {
  readonly role: ServiceRole
  readonly jsonLog: boolean
}

/** Runs the service until a signal ends it; gives the exit code. */
export async function start(options: StartOptions, config: ServerConfig = readConfig()): Promise<number> {
  const home = homeAt(config.home)
  await makeHome(home)
  const output = openOutput({ json: options.jsonLog, logDirectory: home.logs })
  const shutdown = new Shutdown((name, error) => output.log.error(`stopping: ${name}: ${explain(error)}`))
  shutdown.add('output', () => output.close())
  const stopping = Promise.withResolvers<number>()
  const starting = new AbortController()
  const stopSignals = onSignals((signal) => {
    output.progress(`stopping (${signal}); once more to stop at once`)
    starting.abort()
    stopping.resolve(0)
  })
  try {
    // Processes of a service that is spread out share the keys, not the state: only one on its own needs all of it.
    if (config.databaseUrl === undefined || options.role === 'all') {
      const lock = lockHome(home)
      shutdown.add('lock', () => lock.release())
    }
    // After the lock, which names the process: beside a running service the port is taken too.
    if (options.role !== 'worker') await requireFreePort(config)
    output.progress(`agentfs ${options.role === 'all' ? 'service' : options.role}, state in ${home.path}`)
    const { url } = await startService({
      config,
      home,
      role: options.role,
      log: output.log,
      shutdown,
      progress: (message) => output.progress(message),
      signal: starting.signal,
      onFailure: (error) => {
        output.log.fatal(explain(error))
        stopping.resolve(1)
      },
    })
    announce(output, url)
    return await stopping.promise
  } catch (error) {
    // Whatever the signal broke off fails in its own way.
    if (starting.signal.aborted) return 0
    output.log.error(explain(error))
    return 1
  } finally {
    await shutdown.run()
    stopSignals()
  }
}

function announce(output: Output, url: string | null): void {
  if (url === null) output.progress('the worker is ready')
  else output.ready(url, nextCommands(url))
}
