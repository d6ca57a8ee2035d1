const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { dirname, join } = require('node:path')

// How imports resolve for the import rules: `@agentfs/x` to the sources of workspace x, and not to its built
// `dist`, so that rules and circle checks see the real files whether or not anything has been built.

const root = dirname(__dirname)

const alias = Object.fromEntries(
  ['libs', 'apps']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
    .filter((directory) => existsSync(join(directory, 'package.json')))
    .map((directory) => {
      const { name } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
      return [`${name}$`, join(directory, 'src/index.ts')]
    }),
)

module.exports = {
  resolve: {
    alias,
    extensions: ['.ts', '.js'],
    extensionAlias: { '.js': ['.ts', '.js'] },
    conditionNames: ['import', 'node', 'default'],
  },
}
