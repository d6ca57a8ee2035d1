import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const TSC = fileURLToPath(new URL('../../../node_modules/.bin/tsc', import.meta.url))
const PROJECT = fileURLToPath(new URL('./tsconfig.json', import.meta.url))

/** Brings dist up to date: the servers of these tests are threads and processes, which run built files. */
export function buildOnce(): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(TSC, ['-b', PROJECT], (error, stdout) => {
      if (error === null) resolve()
      else reject(new Error(stdout, { cause: error }))
    })
  })
}
