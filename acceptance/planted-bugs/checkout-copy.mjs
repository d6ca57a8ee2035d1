import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { ROOT } from '../../scripts/checkout/paths.mjs'

const FOLDERS = ['libs', 'apps', 'acceptance', 'scripts']
const FILES = ['package.json', 'jest.config.mjs', 'tsconfig.json', 'tsconfig.base.json']

/**
 * A copy of the checkout to do harm in, so that whatever happens the real one stays as it is. Packages are those of the
 * checkout, but for our own workspaces, which are the copy's; what was built is taken along.
 */
export class CheckoutCopy {
  root = mkdtempSync(join(realpathSync(tmpdir()), 'agentfs-planted-'))

  constructor() {
    for (const name of FILES) cpSync(join(ROOT, name), join(this.root, name))
    const filter = (path) => basename(path) !== 'node_modules'
    for (const name of FOLDERS) {
      // Times decide what has to be built again.
      const options = { recursive: true, filter, preserveTimestamps: true, verbatimSymlinks: true }
      cpSync(join(ROOT, name), join(this.root, name), options)
    }
    this.#linkPackages('node_modules')
    for (const folder of ['libs', 'apps']) {
      for (const name of readdirSync(join(ROOT, folder)))
        this.#linkPackages(join(folder, name, 'node_modules'))
    }
  }

  /** Replaces text that must be there exactly once. Gives what takes it back. */
  plant({ file, anchor, planted }) {
    const path = join(this.root, file)
    const before = readFileSync(path, 'utf8')
    const places = before.split(anchor).length - 1
    if (places !== 1)
      throw new Error(
        `its anchor occurs ${places} times in ${file}, not once: look at the code and mend bugs.mjs`,
      )
    writeFileSync(
      path,
      before.replace(anchor, () => planted),
    )
    return () => writeFileSync(path, before)
  }

  /** Removes the copy. */
  remove() {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 3 })
  }

  #linkPackages(folder) {
    const source = join(ROOT, folder)
    if (!existsSync(source)) return
    const target = join(this.root, folder)
    mkdirSync(target, { recursive: true })
    for (const entry of readdirSync(source, { withFileTypes: true })) {
      const path = join(source, entry.name)
      if (entry.name.startsWith('@') && entry.isDirectory()) this.#linkPackages(join(folder, entry.name))
      else symlinkSync(entry.isSymbolicLink() ? this.#linked(path) : path, join(target, entry.name))
    }
  }

  /** Where a link leads: into the copy, where it led to a workspace. */
  #linked(path) {
    const to = resolve(dirname(path), readlinkSync(path))
    const within = relative(ROOT, to)
    return FOLDERS.some((folder) => within.startsWith(`${folder}/`)) ? join(this.root, within) : to
  }
}
