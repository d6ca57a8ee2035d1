import { join } from 'node:path'
import { Failure } from './failure.mjs'
import { PINNED_NODE, ROOT, environmentWithPrograms } from './paths.mjs'
import { TO_STDERR, run } from './run.mjs'

/** Compiles what changed; the compiler's own bookkeeping makes that a tenth of a second where nothing did. */
export async function ensureBuilt() {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const code = await run(PINNED_NODE, [compiler, '--build'], {
    env: environmentWithPrograms(),
    stdio: TO_STDERR,
  })
  if (code !== 0) {
    throw new Failure(
      'The build failed; the compiler names the places above. Fix them and run the same command again.',
    )
  }
}
