// Whatever is wrong with a worker's own disk is said of that disk, and may pass: it is neither a fault of ours nor of the definition.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { engineError, explained } from '../../../src/io/engine-errors.ts'
import { storageError, withRoom } from '../../../src/io/files/index.ts'
import { salesProject } from '../../support/runtime.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('a scratch folder that cannot be made is storage that is unavailable', async () => {
  await using project = await salesProject()
  const { scratchDir } = project.runtime.settings
  await rm(scratchDir, { recursive: true, force: true })
  await writeFile(scratchDir, 'in the way')
  await expect(project.runtime.withEngine(() => Promise.resolve())).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringContaining(`cannot create ${scratchDir}/`) as string,
  })
})

test('what cannot be cleaned up does not hide why the work failed', async () => {
  await using project = await salesProject()
  const failing = project.runtime.withEngine(async (_, scratchDir) => {
    await rm(scratchDir, { recursive: true })
    await mkdir(join(scratchDir, '..'), { recursive: true })
    // A folder below a file: deleting it fails.
    await writeFile(scratchDir, '')
    throw new Error('the work failed')
  })
  await expect(failing).rejects.toThrow('the work failed')
})

const full = (code: string): unknown => Object.assign(new Error(`${code}: no space left`), { code })

test('a full disk: which, how much is free, how much was wanted', async () => {
  await using dir = await tempDir()
  const path = join(dir.path, 'not', 'there', 'yet')
  const error = await withRoom(storageError(full('ENOSPC'), 'create', path), path, 123)
  expect(error).toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringMatching(
      new RegExp(`^cannot create ${path}: no space .* \\(\\d+ bytes free in ${dir.path}, 123 wanted\\)$`),
    ) as string,
    context: { folder: dir.path, wantedBytes: '123' },
  })
  for (const code of ['EDQUOT', 'EFBIG', 'EROFS', 'EACCES'])
    expect(storageError(full(code), 'create', path)).toMatchObject({ code: 'STORAGE_UNAVAILABLE', context: { code } })
})

test.each([
  [
    'a file',
    (dir: string) => `IO Error: Could not write file "${dir}/x.parquet": No space left on device`,
    'STORAGE_UNAVAILABLE',
  ],
  [
    'what it spills',
    () => `Out of Memory Error: failed to offload data block of size 256.0 KiB (7.0 MiB/7.1 MiB used).\nThis limit …`,
    'ENGINE_OUT_OF_MEMORY',
  ],
])('the engine cannot write %s', async (_, text, code) => {
  await using dir = await tempDir()
  const found = engineError(new Error(text(dir.path)), { sql: '', tempDirectory: dir.path, otherwise: 'INPUT_INVALID' })
  expect(found.code).toBe(code)
  const { message, context } = await explained(found, '')
  expect(message).toContain(`bytes free in ${dir.path})`)
  expect(context).toMatchObject({ folder: dir.path, code: 'ENOSPC' })
})
