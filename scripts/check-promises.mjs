// Every promise that docs/SEMANTICS.md makes must be cited by a test; what is not made yet stands under its last heading.
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const text = readFileSync(`${root}/docs/SEMANTICS.md`, 'utf8')
const [made = ''] = text.split('\n## Not made yet')
const ids = [...made.matchAll(/^- \[([A-Z]+-\d+)\]/gm)].map((match) => match[1])
const tests = globSync('{libs,apps,acceptance}/**/*.test.ts', {
  cwd: root,
  exclude: (name) => name === 'node_modules' || name === 'dist',
})
const cited = new Set()
for (const file of tests) {
  for (const match of readFileSync(`${root}/${file}`, 'utf8').matchAll(/\[([A-Z]+-\d+)/g)) cited.add(match[1])
  for (const match of readFileSync(`${root}/${file}`, 'utf8').matchAll(/, ([A-Z]+-\d+)\]/g))
    cited.add(match[1])
}
const missing = ids.filter((id) => !cited.has(id))
if (missing.length > 0) {
  console.error(`promises in docs/SEMANTICS.md that no test cites: ${missing.join(', ')}`)
  process.exitCode = 1
} else {
  console.log(`${ids.length} promises, each cited by a test`)
}
