import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { lastLine, runCommand } from './run-command.ts'
import { CLI_VERSION, installIntoCache, isExecutable } from './server-cache.ts'

const timeoutMs = 20_000

/**
 * The SDK downloads a server only by starting it, and offers no way to stop waiting for its host. So a process of its own does
 * both, and is killed together with that server when it takes too long.
 */
const script = `
const { createRequire } = await import('node:module')
const { TestWorkflowEnvironment } = createRequire(process.env.HINDCAST_SDK_BASE)('@temporalio/testing')
try {
  const executable = { type: 'cached-download', version: 'v${CLI_VERSION}', downloadDir: process.env.HINDCAST_SDK_DIR }
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable, log: { format: 'json', level: 'error' } } })
  await environment.teardown()
} catch (error) {
  process.stderr.write(String(error.message).replaceAll('\\n', ' ') + '\\n')
  process.exit(1)
}
`

/**
 * Gets the executable the way Temporal's SDK does for its test environment: from Temporal's own download site.
 *
 * @throws Error with the reason when the SDK cannot get it within 20 seconds
 */
export async function downloadBySdk(cacheDir: string, env: NodeJS.ProcessEnv): Promise<string> {
  return installIntoCache(cacheDir, async (scratch) => {
    const result = await runCommand(process.execPath, ['--input-type=module', '--eval', script], {
      timeoutMs,
      env: { ...env, HINDCAST_SDK_BASE: import.meta.url, HINDCAST_SDK_DIR: scratch },
    })
    if (result.code !== 0) throw new Error(rootCause(lastLine(result.stderr)))
    for (const name of await readdir(scratch)) {
      const path = join(scratch, name)
      if (await isExecutable(path)) return path
    }
    throw new Error('the SDK started a server and left no executable')
  })
}

/** The SDK repeats each layer's message with a long URL; what went wrong stands at the end. */
const rootCause = (message: string): string => {
  const host = /https?:\/\/([^/?)]+)/.exec(message)?.[1]
  const last = message.split('): ').at(-1) ?? message
  return host === undefined ? last : `${host}: ${last}`
}
