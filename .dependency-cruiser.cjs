const pure = '^libs/(crypto|tree|merge|access|audit|document)/'
// Tests beside the code may use the test kit, which itself stands on contracts and the SDK only.
const tests = '\\.(test|contract)\\.ts$'
/** Imports go one way; docs/ARCHITECTURE.md says which. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'contracts-is-a-leaf', severity: 'error', from: { path: '^libs/contracts/' }, to: { path: '^(libs|apps)/', pathNot: '^libs/contracts/' } },
    { name: 'pure-libs-import-contracts-only', severity: 'error', from: { path: pure }, to: { path: '^(libs|apps)/', pathNot: ['^libs/contracts/', '^libs/$1/'] } },
    { name: 'storage-below-engine', severity: 'error', from: { path: '^libs/storage/', pathNot: tests }, to: { path: '^(apps/|libs/(engine|sync|sdk|fuse|testkit)/)' } },
    { name: 'engine-below-apps', severity: 'error', from: { path: '^libs/engine/', pathNot: tests }, to: { path: '^(apps/|libs/(sync|sdk|fuse|testkit)/)' } },
    { name: 'sdk-knows-contracts-only', severity: 'error', from: { path: '^libs/sdk/' }, to: { path: '^(apps|libs)/', pathNot: '^libs/(sdk|contracts)/' } },
    { name: 'sync-is-the-client', severity: 'error', from: { path: '^libs/sync/' }, to: { path: '^(apps/|libs/(storage|engine|access|audit|fuse|testkit)/)' } },
    { name: 'fuse-knows-nothing-of-agents', severity: 'error', from: { path: '^libs/fuse/' }, to: { path: '^(apps|libs)/', pathNot: '^libs/fuse/' } },
    { name: 'client-never-imports-the-service', severity: 'error', from: { path: '^apps/agent-client/' }, to: { path: '^libs/(storage|engine|access|audit)/' } },
    { name: 'apps-never-import-each-other', severity: 'error', from: { path: '^apps/([^/]+)/', pathNot: '^apps/server/' }, to: { path: '^apps/', pathNot: '^apps/$1/' } },
    { name: 'nest-in-apps-only', severity: 'error', from: { pathNot: '^apps/(api|worker|server)/' }, to: { path: 'node_modules/@nestjs/' } },
    { name: 'tests-are-not-imported', severity: 'error', from: { pathNot: '\\.test\\.ts$' }, to: { path: '\\.test\\.ts$' } },
  ],
  options: {
    doNotFollow: { path: ['node_modules', 'dist'] },
    exclude: { path: ['/dist/'] },
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'], exportsFields: ['exports'], conditionNames: ['import'] },
  },
}
