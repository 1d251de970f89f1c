/** Rule: a version names the commit only while the definitions are as they were committed. Damage otherwise: a published table names other code. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { codeVersion } from '../../../src/io/code-version.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('the commit, marked while definitions differ from it, or their hash where there is none', async () => {
  await using dir = await tempDir()
  const git = (...args: string[]) =>
    promisify(execFile)('git', ['-C', dir.path, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args])
  const file = join(dir.path, 'view.ts')
  await writeFile(file, 'one')
  const outside = await codeVersion(dir.path, [file])
  expect(outside).toMatch(/^files:[0-9a-f]{12}$/)

  await git('init', '--quiet')
  expect(await codeVersion(dir.path, [file])).toBe(outside)

  await git('add', '.')
  await git('commit', '--quiet', '--message', 'first')
  const { stdout: commit } = await git('rev-parse', 'HEAD')
  const committed = `git:${commit.slice(0, 12)}`
  expect(await codeVersion(dir.path, [file])).toBe(committed)

  await writeFile(join(dir.path, 'other.txt'), 'no definition')
  expect(await codeVersion(dir.path, [file])).toBe(committed)

  await writeFile(file, 'two')
  const changed = await codeVersion(dir.path, [file])
  expect(changed).toMatch(new RegExp(`^${committed}\\+[0-9a-f]{12}$`))
  await writeFile(file, 'three')
  expect(await codeVersion(dir.path, [file])).not.toBe(changed)

  const added = join(dir.path, 'added.ts')
  await writeFile(file, 'one')
  await writeFile(added, 'not committed yet')
  expect(await codeVersion(dir.path, [file, added])).toMatch(new RegExp(`^${committed}\\+`))
})
