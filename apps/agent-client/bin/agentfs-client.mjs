#!/usr/bin/env node
// An old Node must still be able to read this file, to say that it is too old: no newer syntax here.
import { existsSync } from 'fs'

const entry = new URL('../dist/main.js', import.meta.url)

if (parseInt(process.versions.node, 10) < 20) {
  console.error('agentfs-client needs Node 20 or later, and this is Node ' + process.versions.node + '.')
  process.exitCode = 1
} else if (!existsSync(entry)) {
  console.error(
    'agentfs-client is not built yet. Run "npm run build" in the checkout ("npm start" does it too).',
  )
  process.exitCode = 1
} else {
  void import('@agentfs/launcher').then(function (launcher) {
    return launcher
      .launch({ name: 'agentfs-client', from: import.meta.url, secretOptions: ['--token', '--password'] })
      .then(function (here) {
        return here ? import(entry.href) : undefined
      })
  })
}
