import { homedir } from 'node:os'
import { join } from 'node:path'

// libs/testkit/src/config.ts follows the same rule.
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'agentfs')

/** Programs that were built or unpacked here, one folder per version; shared by all checkouts of a user. */
export const PROGRAMS = join(CACHE, 'programs')

/** What runs now: ports, credentials, process ids. Mode 0600. */
export const STATE_FILE = join(CACHE, 'services.json')

/** Held while something is changed. */
export const LOCK_FILE = join(CACHE, 'services.lock')
