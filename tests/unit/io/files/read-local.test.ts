/** Rule: a file is read whole, and reading never holds up other work for long. Damage otherwise: heartbeats and cancellations come late. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { localReader } from '../../../../src/io/files/read-local.ts'
import { tempDir } from '../../../support/temp-dir.ts'

/** Whether other work got a turn before this was done. */
async function givesTurn(work: () => Promise<unknown>): Promise<boolean> {
  let turned = false
  const turn = setImmediate(() => (turned = true))
  await work()
  clearImmediate(turn)
  return turned
}

test('files of any size are read whole', async () => {
  await using dir = await tempDir()
  const read = localReader()
  for (const size of [0, 1, 5000, 2 ** 20, 2 ** 20 + 1, 3_000_000]) {
    const path = join(dir.path, `${size}`)
    const bytes = Buffer.alloc(size, `${size} bytes `)
    await writeFile(path, bytes)
    expect(bytes.equals(await read(path))).toBe(true)
  }
  await expect(read(join(dir.path, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(read(dir.path)).rejects.toMatchObject({ code: 'EISDIR' })
})

test('quick reads keep other work waiting for a few milliseconds at most', async () => {
  await using dir = await tempDir()
  const path = join(dir.path, 'file')
  await writeFile(path, 'text')
  let now = 0
  const read = localReader(() => now)
  const turns: boolean[] = []
  for (let index = 0; index < 30; index++) {
    turns.push(await givesTurn(() => read(path)))
    now += 1
  }
  expect(turns.filter((turned) => turned)).toHaveLength(4)
  expect(turns.indexOf(true)).toBe(6)
})

test('once files come slowly, the next ones are left to other threads', async () => {
  await using dir = await tempDir()
  const path = join(dir.path, 'file')
  await writeFile(path, 'text')
  let now = 0
  let slowness = 0
  const read = localReader(() => (now += slowness))
  expect(await givesTurn(() => read(path))).toBe(false)
  slowness = 4
  // Four milliseconds once are bearable; after another four it was others' turn first, and is then for the next 64 files.
  expect(await givesTurn(() => read(path))).toBe(false)
  expect(await givesTurn(() => read(path))).toBe(true)
  slowness = 0
  const stopped = now
  for (let index = 0; index < 64; index++) expect(await givesTurn(() => read(path))).toBe(true)
  expect(now).toBe(stopped)
  await read(path)
  expect(await givesTurn(() => read(path))).toBe(false)
})

test('a pipe in the place of a file holds up nothing', async () => {
  await using dir = await tempDir()
  const path = join(dir.path, 'pipe')
  await promisify(execFile)('mkfifo', [path])
  expect(await localReader()(path)).toHaveLength(0)
})
