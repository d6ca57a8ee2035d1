// Plants each bug of bugs.mjs in a copy of the checkout, and requires that the test named for it fails with it and passes
// without. `npm run planted-bugs [-- part of a name]`. The last line of stdout counts: `5 passed, 0 failed`.
import { setImmediate } from 'node:timers/promises'
import { BUGS } from './bugs.mjs'
import { CheckoutCopy } from './checkout-copy.mjs'
import { build, endChildren, runNamedTest } from './named-test.mjs'

const wanted = process.argv[2] ?? ''
const bugs = BUGS.filter(({ name }) => name.includes(wanted))
const made = []
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.once(signal, () => {
    endChildren()
    for (const copy of made) copy.remove()
    process.exit(code)
  })
}

const copy = new CheckoutCopy()
made.push(copy)
// A signal that came while it was copied is heard now.
await setImmediate()
const rows = []
try {
  for (const bug of bugs) rows.push(await judged(bug))
} finally {
  copy.remove()
}
const failed = rows.filter(({ caught }) => !caught).length
process.stdout.write(`${rows.length - failed} passed, ${failed} failed\n`)
// None at all proves nothing.
process.exitCode = failed > 0 || rows.length === 0 ? 1 : 0

async function judged(bug) {
  const startedAt = performance.now()
  const verdict = await judge(bug).catch((error) => ({ caught: false, why: error.message }))
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stderr.write(`${verdict.caught ? '✓ caught  ' : '✗ SURVIVED'}  ${bug.name}  ${seconds} s\n`)
  process.stderr.write(`              ${bug.test.file}: ${bug.test.title}\n`)
  if (!verdict.caught) process.stderr.write(`${verdict.why.replace(/^/gm, '              ')}\n`)
  return verdict
}

async function judge(bug) {
  const without = await runNamedTest(copy, bug.test)
  if (without.kind === 'failed')
    return { caught: false, why: `its test fails without it too:\n${without.said}` }
  const takeBack = copy.plant(bug)
  try {
    if (bug.build !== undefined) await build(copy, bug.build)
    const within = await runNamedTest(copy, bug.test)
    return within.kind === 'failed' ? { caught: true } : { caught: false, why: 'its test passes with it' }
  } finally {
    takeBack()
    if (bug.build !== undefined) await build(copy, bug.build)
  }
}
