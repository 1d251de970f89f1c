import { spawn, type ChildProcess } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tempDir } from './temp-dir.ts'

export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** 3,000,000 flights of January to July 2001. */
export const flightsParquet = join(repository, 'node_modules', 'vega-datasets', 'data', 'flights-3m.parquet')

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** stdout as the JSON document that `--json` promises. */
  json<T = Record<string, unknown>>(): T
}

/** A project of the test's own; its processes and folder are gone at the end of the `await using` block. */
export interface TestProject extends Commands, AsyncDisposable {
  readonly dir: string
  /** The same project with more environment variables. */
  withEnv(env: Readonly<Record<string, string>>): Commands
}

export interface Commands {
  /** Runs one command to its end. */
  hindcast(...args: readonly string[]): Promise<CommandResult>
  /** Starts a command that goes on, and waits for its first line. */
  start(...args: readonly string[]): Promise<ChildProcess>
  /** The same of one that says one JSON document, which it gives. */
  startJson<T>(...args: readonly string[]): Promise<{ readonly process: ChildProcess; readonly document: T }>
  /** Starts a worker, and waits until it polls. */
  startWorker(...args: readonly string[]): Promise<TestWorker>
}

export interface TestWorker {
  readonly process: ChildProcess
  readonly healthAddress: string
  /** The value of a series that `/metrics` shows, by its name with labels. */
  metric(series: string): Promise<number>
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
}

export interface ProjectOptions {
  /** Text of hindcast.config.ts; everything has a default. */
  readonly config?: string
  /** Files of features/ by name; by default this repository's. */
  readonly features?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
}

export async function testProject(options: ProjectOptions = {}): Promise<TestProject> {
  const folder = await tempDir()
  const dir = folder.path
  await writeFile(join(dir, 'hindcast.config.ts'), options.config ?? 'export default {}\n')
  if (options.features === undefined) await cp(join(repository, 'features'), join(dir, 'features'), { recursive: true })
  else {
    await mkdir(join(dir, 'features'))
    for (const [name, text] of Object.entries(options.features)) await writeFile(join(dir, 'features', name), text)
  }
  const running = new Set<ChildProcess>()
  const launch = (args: readonly string[], more: Readonly<Record<string, string>>): ChildProcess => {
    const child = spawn(
      process.execPath,
      [join(repository, 'cli', 'main.ts'), ...args, ...(args.includes('--project') ? [] : ['--project', dir])],
      {
        env: { ...process.env, NO_COLOR: '1', ...options.env, ...more },
        cwd: dir,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    running.add(child)
    child.once('exit', () => running.delete(child))
    return child
  }
  const startJson = async <T>(
    args: readonly string[],
    more: Readonly<Record<string, string>>,
  ): Promise<{ readonly process: ChildProcess; readonly document: T }> => {
    const child = launch([...args, '--json'], more)
    const document = await new Promise<T>((resolve, reject) => {
      let said = ''
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk.toString('utf8')
        if (said.endsWith('}\n')) resolve(JSON.parse(said) as T)
      })
      child.stderr?.resume()
      child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}: ${said}`)))
    })
    return { process: child, document }
  }
  const startWorker = async (args: readonly string[], more: Readonly<Record<string, string>>): Promise<TestWorker> => {
    const { process: child, document } = await startJson<{ healthAddress: string }>(
      ['worker', '--health-port', '0', ...args],
      more,
    )
    const { healthAddress } = document
    return {
      process: child,
      healthAddress,
      ended: new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code))),
      metric: async (series) => {
        const text = await (await fetch(`${healthAddress}/metrics`)).text()
        const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
        if (line === undefined) throw new Error(`${healthAddress}/metrics shows no ${series}`)
        return Number(line.slice(series.length + 1))
      },
    }
  }
  const commands = (more: Readonly<Record<string, string>>): Commands => ({
    startWorker: (...args) => startWorker(args, more),
    startJson: (...args) => startJson(args, more),
    hindcast: async (...args) => {
      const child = launch(args, more)
      const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), ended(child)])
      return {
        code,
        stdout,
        stderr,
        json: <T>() => {
          try {
            return JSON.parse(stdout) as T
          } catch (cause) {
            throw new Error(`not one JSON document: ${stdout}\n${stderr}`, { cause })
          }
        },
      }
    },
    start: async (...args) => {
      const child = launch(args, more)
      const stderr = collect(child.stderr)
      await new Promise<void>((resolve, reject) => {
        child.stdout?.once('data', () => resolve())
        child.once(
          'exit',
          (code) => void stderr.then((text) => reject(new Error(`${args.join(' ')} ended with ${code}: ${text}`))),
        )
      })
      return child
    },
  })
  return {
    dir,
    ...commands({}),
    withEnv: commands,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(
        [...running].map((child) => {
          child.kill('SIGKILL')
          return ended(child)
        }),
      )
      await folder[Symbol.asyncDispose]()
    },
  }
}

const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => child.once('close', (code) => resolve(code)))

async function collect(stream: NodeJS.ReadableStream | null): Promise<string> {
  if (stream === null) return ''
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
