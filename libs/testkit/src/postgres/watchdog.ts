import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'

// $1 is the data directory, $2 what to remove. The pid file names the postmaster, whichever start it was.
const SCRIPT = `
cat >/dev/null
pid=$(head -n1 "$1/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  # Postgres removes its pid file last.
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ -f "$1/postmaster.pid" ] || break; sleep 0.5; done
fi
rm -rf -- "$2"
`

/** Outlives this process by a moment, to end its Postgres and remove its data where it could not (kill -9). */
export class Watchdog {
  readonly #child: ChildProcess

  /** Watches from now on: the shell waits for the end of a pipe that only this process holds open. */
  constructor(dataDirectory: string, directory: string) {
    const args = ['-c', SCRIPT, 'agentfs-postgres-watchdog', dataDirectory, directory]
    this.#child = spawn('/bin/sh', args, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    this.#child.unref()
    if (this.#child.stdin instanceof Socket) this.#child.stdin.unref()
  }

  /** Ends the watch without any effect, after a clean stop. */
  dismiss(): void {
    if (this.#child.pid === undefined) return
    // The whole group: the shell's `cat` must not stay behind.
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // it is gone already
    }
    this.#child.stdin?.destroy()
  }
}
