// `npm test`: everything that must hold. `npm test -- libs/crypto` runs only the tests whose path matches.
// An old Node must still be able to read this file, to say that it is too old: no newer syntax here.
if (parseInt(process.versions.node, 10) < 20) {
  console.error('agentfs needs Node 20 or later, and this is Node ' + process.versions.node + '.')
  process.exitCode = 1
} else {
  void import('./testing/test.mjs')
}
