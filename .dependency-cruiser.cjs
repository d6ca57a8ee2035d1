// Imports go one way; docs/ARCHITECTURE.md says which. `npm run depcruise` checks the sources against these rules,
// and scripts/prove-import-rules.mjs checks the rules: each must catch a violation that is planted for it.

const pure = '^libs/(crypto|tree|merge|access|audit|document)/'
// Tests beside the code, and what they share in a folder `test`, may use the test kit, which itself stands on
// contracts and the SDK only.
const tests = '\\.(test|contract)\\.ts$|^(libs|apps)/[^/]+/(src/)?test/'

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

module.exports = {
  forbidden: [
    rule(
      'no-circular',
      'Two files that need each other are one concept, or miss a third.',
      {},
      { circular: true },
    ),
    rule('resolvable', 'An import must lead to a file.', {}, { couldNotResolve: true }),
    rule(
      'contracts-is-a-leaf',
      'Every part speaks contracts, so contracts may know no part.',
      { path: '^libs/contracts/' },
      { path: '^(libs|apps)/', pathNot: '^libs/contracts/' },
    ),
    rule(
      'pure-libs-import-contracts-only',
      'Pure libraries have no clock, no randomness, no I/O, and nothing of ours but contracts.',
      { path: pure },
      { path: '^(libs|apps)/', pathNot: ['^libs/contracts/', '^libs/$1/'] },
    ),
    rule(
      'storage-below-engine',
      'Storage is ports and adapters; what to store is decided above.',
      { path: '^libs/storage/', pathNot: tests },
      { path: '^(apps/|libs/(engine|sync|sdk|fuse|testkit)/)' },
    ),
    rule(
      'engine-below-apps',
      'The engine is the service without HTTP.',
      { path: '^libs/engine/', pathNot: tests },
      { path: '^(apps/|libs/(sync|sdk|fuse|testkit)/)' },
    ),
    rule(
      'sdk-knows-contracts-only',
      'The SDK also runs in browsers and in the hands of others.',
      { path: '^libs/sdk/' },
      { path: '^(apps|libs)/', pathNot: '^libs/(sdk|contracts)/' },
    ),
    rule(
      'sync-is-the-client',
      'The sync engine is the client without FUSE; the service is reached by the SDK only.',
      { path: '^libs/sync/', pathNot: tests },
      { path: '^(apps/|libs/(storage|engine|access|audit|fuse|testkit)/)' },
    ),
    rule(
      'fuse-knows-nothing-of-agents',
      'libs/fuse speaks the kernel protocol and nothing else.',
      { path: '^libs/fuse/', pathNot: tests },
      { path: '^(apps|libs)/', pathNot: '^libs/fuse/' },
    ),
    rule(
      'launcher-is-a-leaf',
      'The launcher runs on any Node from 20 on, so nothing made for the pinned one may come in.',
      { path: '^libs/launcher/', pathNot: tests },
      { path: '^(apps|libs)/', pathNot: '^libs/launcher/' },
    ),
    rule(
      'client-never-imports-the-service',
      'The client runs on machines that have no service.',
      { path: '^apps/agent-client/' },
      { path: '^libs/(storage|engine|access|audit)/' },
    ),
    rule(
      'service-never-imports-the-client',
      'The service must not grow a mount.',
      { path: '^apps/(api|worker|server)/', pathNot: tests },
      { path: '^libs/(sync|fuse)/' },
    ),
    rule(
      'apps-never-import-each-other',
      'Only the standalone server composes api and worker.',
      { path: '^apps/([^/]+)/', pathNot: '^apps/server/' },
      { path: '^apps/', pathNot: '^apps/$1/' },
    ),
    rule(
      'server-composes-the-service-only',
      'The standalone server is api and worker, not the client.',
      { path: '^apps/server/' },
      { path: '^apps/agent-client/' },
    ),
    rule(
      'nest-in-apps-only',
      'Libraries stay free of the framework.',
      { pathNot: '^apps/(api|worker|server)/' },
      { path: 'node_modules/@nestjs/' },
    ),
    rule(
      'entered-by-the-index',
      'What a workspace offers is its index; files behind it may move.',
      { path: '^(?:libs|apps)/([^/]+)/' },
      { path: '^(libs|apps)/[^/]+/', pathNot: ['^(?:libs|apps)/$1/', '^(libs|apps)/[^/]+/src/index\\.ts$'] },
    ),
    rule(
      'test-kit-in-tests-only',
      'Nothing that ships may lean on the test kit.',
      { path: '^(libs|apps)/', pathNot: [tests, '^libs/testkit/'] },
      { path: '^libs/testkit/' },
    ),
    rule(
      'acceptance-is-black-box',
      'Acceptance tests and bench come through the doors that users have; but for what has none: a clock that is turned, a bucket of a million commits, an adapter by itself.',
      { path: '^(acceptance|bench)/', pathNot: '^bench/src/(economy/|recovery/|s3-client\\.ts$)' },
      { path: '^(apps|libs)/', pathNot: '^libs/(contracts|sdk|testkit|fuse)/' },
    ),
    rule(
      'tests-are-not-imported',
      'A test that others need is a contract suite, in a file named so.',
      { pathNot: '\\.test\\.ts$' },
      { path: '\\.test\\.ts$' },
    ),
  ],
  options: {
    // TypeScript 7 has no API that dependency-cruiser could parse with; swc reads the same syntax, types included.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/dist/' },
    webpackConfig: { fileName: 'scripts/import-resolution.cjs' },
  },
}
