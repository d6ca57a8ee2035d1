// Every relative link in the project's Markdown leads to a file, and to a heading where it names one.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const pages = globSync(['*.md', 'docs/*.md', '{libs,apps,bench,acceptance}/**/*.md'], {
  cwd: root,
  exclude: (name) => name === 'node_modules' || name === 'dist',
})
const broken = []
let links = 0
for (const page of pages) {
  for (const [, target] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue
    links++
    const [file, heading] = target.split('#')
    const path = file === '' ? page : join(dirname(page), file)
    if (!existsSync(join(root, path))) broken.push(`${page}: ${target}: there is no ${path}`)
    else if (heading !== undefined && !anchorsOf(path).has(heading))
      broken.push(`${page}: ${target}: ${path} has no such heading`)
  }
}
if (broken.length > 0) {
  for (const line of broken) console.error(line)
  process.exitCode = 1
} else {
  console.log(`${links} links on ${pages.length} pages lead somewhere`)
}

function proseOf(page) {
  return readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '')
}

/** Anchors as code forges make them: lower case, spaces as hyphens, punctuation left out. */
function anchorsOf(page) {
  const headings = proseOf(page).matchAll(/^#{1,6} (.+)$/gm)
  return new Set(
    [...headings].map(([, text]) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replace(/\s/g, '-'),
    ),
  )
}
