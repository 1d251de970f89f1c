import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What a test prints nobody reads until it hides something: printing fails the run. */
const refuseOutput = (log: string, type: 'stdout' | 'stderr'): never => {
  throw new Error(`a test printed to ${type}: ${log.trim()}`)
}

/** Projects that tests make elsewhere import the library by its name, as a user's do. */
const resolve = { alias: { hindcast: fileURLToPath(new URL('src/index.ts', import.meta.url)) } }

const kind = (name: string, timeoutMs: number, oneAfterAnother = false, globalSetup: readonly string[] = []) => ({
  resolve,
  test: {
    name,
    include: [`tests/${name}/**/*.test.ts`],
    setupFiles: ['tests/support/seed.ts'],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: !oneAfterAnother,
    globalSetup: [...globalSetup],
  },
})

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
      kind('fault', 300_000, true),
      kind('e2e', 600_000, true),
    ],
  },
})
