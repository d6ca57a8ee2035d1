// `npm start`: installs, builds, and becomes the standalone service. Arguments after `--` go to the service.
// An old Node must still be able to read this file, to say that it is too old: no newer syntax here.
if (parseInt(process.versions.node, 10) < 20) {
  console.error('agentfs needs Node 20 or later to start, and this is Node ' + process.versions.node + '.')
  process.exitCode = 1
} else {
  void import('./checkout/start.mjs')
}
