import type { Database } from '@agentfs/storage'
import type { AgentGate } from '../agents/agent-gate.js'
import type { Committer } from '../commit/commit.js'
import type { PackHint } from '../followers/pack-hint.js'
import type { PromptPacker } from '../followers/prompt-packer.js'
import type { Erasures } from '../keys/erasures.js'
import type { KeyVault } from '../keys/key-vault.js'
import type { Clock } from '../ports.js'
import type { ContentReader } from '../reads/content-reader.js'
import type { ExtentPages } from '../reads/extent-pages.js'
import type { KnownPlaces } from '../reads/known-places.js'
import type { SharedLooks } from '../reads/shared-looks.js'
import type { VersionOpener } from '../reads/version-opener.js'
import type { Administration } from '../streams/administration.js'
import type { Backlog } from '../sync/backlog.js'
import type { PartIntake } from '../sync/part-intake.js'
import type { KnownDirectories } from './known-directories.js'

/** What the files by path are served with. */
export interface FilesTools {
  readonly database: Database
  readonly vault: KeyVault
  readonly erasures: Erasures
  readonly gate: AgentGate
  readonly committer: Committer
  readonly opener: VersionOpener
  readonly pages: ExtentPages
  readonly reader: ContentReader
  readonly places: KnownPlaces
  readonly directories: KnownDirectories
  readonly looks: SharedLooks
  readonly parts: PartIntake
  readonly backlog: Backlog
  readonly administration: Administration
  readonly packHint: PackHint
  /** Packs what a flush waits for; undefined where only workers may. */
  readonly promptPacker: () => PromptPacker | undefined
  readonly clock: Clock
  readonly fileBytesMax: number
}
