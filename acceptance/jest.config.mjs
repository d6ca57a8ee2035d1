// Black-box tests: they start the built service and client as users do, and touch them from outside only.
import base from '../jest.config.mjs'

export default {
  testEnvironment: 'node',
  rootDir: '..',
  extensionsToTreatAsEsm: ['.ts'],
  transform: base.transform,
  moduleNameMapper: base.moduleNameMapper,
  testMatch: ['<rootDir>/acceptance/src/**/*.test.ts'],
  modulePathIgnorePatterns: ['/dist/'],
  testTimeout: 120_000,
  maxWorkers: 1,
}
