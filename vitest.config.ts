import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What a test prints nobody reads until it hides something: printing fails the run. */
const refuseOutput = (log: string, type: 'stdout' | 'stderr'): never => {
  throw new Error(`a test printed to ${type}: ${log.trim()}`)
}

/** Projects that tests make elsewhere import the library by its name, as a user's do. */
const resolve = { alias: { hindcast: fileURLToPath(new URL('src/index.ts', import.meta.url)) } }

/** What measures seconds or memory runs while nothing else does. */
const alone = 'tests/fault/worker-stops.test.ts'

const kind = (name: string, timeoutMs: number, oneAfterAnother = false, globalSetup: readonly string[] = []) => ({
  resolve,
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    exclude: [alone],
    setupFiles: ['tests/support/seed.ts'],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: !oneAfterAnother,
    globalSetup: [...globalSetup],
  },
})

/** Projects whose files start servers and many processes: two of them at a time, and none beside tests that have 20 s. */
const heavy = (name: string, timeoutMs: number) => {
  const { test, ...rest } = kind(name, timeoutMs)
  return { ...rest, test: { ...test, sequence: { groupOrder: 1 } } }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    passWithNoTests: true,
    onConsoleLog: refuseOutput,
    projects: [
      kind('unit', 20_000),
      {
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['tests/types/**/*.test-d.ts'],
            // `npm run verify` reports those.
            ignoreSourceErrors: true,
          },
        },
      },
      kind('property', 60_000),
      kind('golden', 30_000),
      kind('conformance', 120_000, false, ['tests/support/conformance-setup.ts']),
      kind('interop', 300_000, true, ['tests/support/counterparts/setup.ts']),
      kind('workflow', 60_000),
      kind('replay', 60_000),
      heavy('fault', 300_000),
      { resolve, test: { ...kind('fault', 300_000, true).test, name: 'alone', include: [alone], exclude: [] } },
      kind('e2e', 600_000, true),
    ],
  },
})
