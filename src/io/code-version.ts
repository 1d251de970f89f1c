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
  const git = (...args: string[]): Promise<string> =>
    execute('git', ['-C', dir, ...args], { timeout: 5_000 }).then(({ stdout }) => stdout.trim())
  try {
    const [commit, changed] = await Promise.all([
      git('rev-parse', '--short=12', 'HEAD'),
      git('status', '--porcelain', '--', ...files),
    ])
    return changed === '' ? `git:${commit}` : `git:${commit}+${await hashOf(dir, files)}`
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
