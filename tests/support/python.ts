import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installed } from './installed.ts'

const run = promisify(execFile)
const requirements = fileURLToPath(new URL('requirements-pyiceberg.txt', import.meta.url))

/** Runs a Python script with PyIceberg and returns what it printed, which must be one JSON document. */
export async function runPython<T>(script: string, args: readonly string[]): Promise<T> {
  const { stdout } = await run(await pythonEnvironment(), [script, ...args], { maxBuffer: 1 << 28, timeout: 120_000 })
  return JSON.parse(stdout) as T
}

let environment: Promise<string> | undefined

/** The interpreter of a virtual environment that holds exactly the pinned packages. */
export function pythonEnvironment(): Promise<string> {
  environment ??= makeEnvironment()
  return environment
}

async function makeEnvironment(): Promise<string> {
  const folder = await installed('python', [await readFile(requirements)], async (unfinished) => {
    await run('python3', ['-m', 'venv', unfinished])
    // The interpreter is a link to the system's, so that a moved environment still works; only its scripts would not.
    await run(join(unfinished, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--requirement', requirements])
  })
  return join(folder, 'bin/python')
}
