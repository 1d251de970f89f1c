import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/**
 * What code a project's definitions are: the commit of its folder, marked when files of the definitions differ from it, else (outside
 * git) a hash of those files.
 */
export async function codeVersion(dir: string, files: readonly string[]): Promise<string> {
  // In one question: starting a program holds this one up.
  const asked = ['status', '--porcelain=v2', '--branch', '--no-ahead-behind', '--', ...files]
  try {
    const { stdout } = await execute('git', ['-C', dir, ...asked], { timeout: 5_000 })
    const [, commit] = /^# branch\.oid ([0-9a-f]{12})/m.exec(stdout) ?? []
    if (commit === undefined) throw new Error('there is no commit yet')
    return /^[^#]/m.test(stdout) ? `git:${commit}+${await hashOf(dir, files)}` : `git:${commit}`
  } catch {
    return `files:${await hashOf(dir, files)}`
  }
}

async function hashOf(dir: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of [...files].sort()) {
    hash
      .update(relative(dir, file))
      .update('\0')
      .update(await readFile(file))
      .update('\0')
  }
  return hash.digest('hex').slice(0, 12)
}
