import type { DatabaseUser } from './database-user.js'

/**
 * How a program that starts in the data directory is told of it. Under another user the path may lead through
 * directories that are closed to that user (`/root`); `/proc/self/cwd` leads there without looking at them.
 */
export function dataArgument(dataDirectory: string, user: DatabaseUser | undefined): readonly string[] {
  return ['-D', user !== undefined && process.platform === 'linux' ? '/proc/self/cwd' : dataDirectory]
}
