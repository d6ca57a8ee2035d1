import { randomInt } from 'node:crypto'

/** What these tests take from the environment. */
export interface AcceptanceConfig {
  /** For child processes: where programs are found, and whose home it is. */
  readonly path: string
  readonly home: string
  /** Kill rounds of each kind (`AGENTFS_KILL_ROUNDS`). */
  readonly killRounds: number
  /** Seed of everything random (`AGENTFS_SEED`), printed in the names of the tests. */
  readonly seed: number
  /** How long something is taken away (`AGENTFS_OUTAGE_SECONDS`; ten minutes are 600). */
  readonly outageSeconds: number
}

/** Reads the environment. */
export function acceptanceConfig(environment: NodeJS.ProcessEnv = process.env): AcceptanceConfig {
  return {
    path: environment['PATH'] ?? '/usr/bin:/bin',
    home: environment['HOME'] ?? '/root',
    killRounds: Number(environment['AGENTFS_KILL_ROUNDS'] ?? 4),
    seed: Number(environment['AGENTFS_SEED'] ?? randomInt(1, 2 ** 31)),
    outageSeconds: Number(environment['AGENTFS_OUTAGE_SECONDS'] ?? 8),
  }
}
