import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const requirements = fileURLToPath(new URL('requirements-pyiceberg.txt', import.meta.url))
const repository = fileURLToPath(new URL('../../', import.meta.url))

let environment: Promise<string> | undefined

/** Runs a Python script with PyIceberg and returns what it printed, which must be one JSON document. */
export async function runPython<T>(script: string, args: readonly string[]): Promise<T> {
  environment ??= pythonEnvironment()
  const python = await environment
  const { stdout } = await run(python, [script, ...args], { maxBuffer: 1 << 28, timeout: 120_000 })
  return JSON.parse(stdout) as T
}

/**
 * The interpreter of a virtual environment that holds exactly the pinned packages. It is kept between runs under a name made from
 * the requirements, and made under another name first: of several processes that make it at once, the first to finish wins.
 */
async function pythonEnvironment(): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 16)
  const folder = join(repository, 'node_modules/.cache/hindcast', `python-${hash}`)
  const python = join(folder, 'bin/python')
  if (await present(python)) return python
  await mkdir(dirname(folder), { recursive: true })
  const unfinished = await mkdtemp(`${folder}-`)
  try {
    await run('python3', ['-m', 'venv', unfinished])
    // The interpreter is a link to the system's, so that a moved environment still works; only its scripts would not.
    await run(join(unfinished, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--requirement', requirements])
    await rename(unfinished, folder)
  } catch (error) {
    if (!(await present(python))) throw error
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return python
}

async function present(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
