/** Rule: a file appears whole or not at all, and never replaces another by accident. Damage otherwise: half a manifest is read. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { localFiles, normalizeUri, toPath, toUri } from '../../../../src/io/files/index.ts'
import { tempDir } from '../../../support/temp-dir.ts'

const io = localFiles()
const bytes = (text: string) => new TextEncoder().encode(text)

test('paths are taken literally, as every Iceberg reader does', () => {
  expect(toPath('file:///w/a%2Fb c/x.parquet')).toBe('/w/a%2Fb c/x.parquet')
  expect(toPath('file:/w/x')).toBe('/w/x')
  expect(toPath('file://localhost/w/x')).toBe('/w/x')
  expect(toPath('/w/x')).toBe('/w/x')
  expect(toUri('/w/é x')).toBe('file:///w/é x')
  expect(() => toPath('s3://bucket/x')).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
  expect(() => toPath('w/x')).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
})

test('of many that create one file exactly one does, and its bytes stay', async () => {
  await using dir = await tempDir()
  const uri = toUri(join(dir.path, 'deep/er/file'))
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => [await io.create(uri, bytes(`writer ${index}`)), index] as const),
  )
  const winners = outcomes.filter(([outcome]) => outcome === 'created')
  expect(winners).toHaveLength(1)
  expect(new TextDecoder().decode(await io.read(uri))).toBe(`writer ${winners[0]?.[1]}`)
  expect(await readdir(join(dir.path, 'deep/er'))).toEqual(['file'])
})

test('a writer killed half-way leaves no file of that name', async () => {
  await using dir = await tempDir()
  const uri = toUri(join(dir.path, 'file'))
  // The child dies while its large file is being written: as soon as the temporary one can be seen.
  const script = `
    import { readdirSync } from 'node:fs'
    import { localFiles } from ${JSON.stringify(new URL('../../../../src/io/files/index.ts', import.meta.url).href)}
    const watch = () => {
      if (readdirSync(${JSON.stringify(dir.path)}).length > 0) process.kill(process.pid, 'SIGKILL')
      setImmediate(watch)
    }
    watch()
    await localFiles().create(${JSON.stringify(uri)}, new Uint8Array(64 << 20))
  `
  const died = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]).then(
    () => null,
    (error: { signal: string }) => error.signal,
  )
  expect(died).toBe('SIGKILL')
  expect(await io.size(uri)).toBeNull()
  expect(await io.create(uri, bytes('again'))).toBe('created')
})

test('replace swaps a file whole and leaves nothing beside it', async () => {
  await using dir = await tempDir()
  const uri = toUri(join(dir.path, 'file'))
  await io.replace(uri, bytes('first'))
  await io.replace(uri, bytes('second'))
  expect(new TextDecoder().decode(await io.read(uri))).toBe('second')
  expect(await io.size(uri)).toBe(6n)
  expect(await readdir(dir.path)).toEqual(['file'])
})

test('adopt moves a finished file, keeps an equal one, and refuses to mix up two', async () => {
  await using dir = await tempDir()
  const uri = toUri(join(dir.path, 'data/file'))
  const scratch = join(dir.path, 'scratch')
  const finished = async (text: string) => {
    await writeFile(scratch, text)
    return scratch
  }
  expect(await io.adopt(await finished('rows'), uri)).toBe('created')
  expect(await io.adopt(await finished('rows'), uri)).toBe('exists')
  expect(await readdir(dir.path)).toEqual(['data'])
  await expect(io.adopt(await finished('rowS'), uri)).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  await expect(io.adopt(await finished('rows and more'), uri)).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
  expect(await readFile(toPath(uri), 'utf8')).toBe('rows')
})

test('a missing file is broken data, a forbidden or blocked one is storage', async () => {
  await using dir = await tempDir()
  await expect(io.read(toUri(join(dir.path, 'none')))).rejects.toMatchObject({
    code: 'DATA_FILE_INVALID',
    message: expect.stringContaining('no such file'),
  })
  await mkdir(join(dir.path, 'folder'))
  await expect(io.read(toUri(join(dir.path, 'folder')))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  await writeFile(join(dir.path, 'plain'), '')
  await expect(io.create(toUri(join(dir.path, 'plain/file')), bytes(''))).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
  })
  expect(await io.size(toUri(join(dir.path, 'none')))).toBeNull()
  await io.delete(toUri(join(dir.path, 'none')))
})

test.skipIf(process.getuid?.() === 0)('a read-only folder names the permission', async () => {
  await using dir = await tempDir()
  await chmod(dir.path, 0o500)
  await expect(io.create(toUri(join(dir.path, 'file')), bytes(''))).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringContaining('permission denied'),
  })
})

test('list walks every folder in the order of whole paths', async () => {
  await using dir = await tempDir()
  for (const name of ['a.txt', 'a/1', 'a/0', 'a-b/x', 'b']) await io.create(toUri(join(dir.path, name)), bytes(name))
  const found: string[] = []
  for await (const { path, size, modifiedMs } of io.list(toUri(dir.path))) {
    const name = path.slice(toUri(dir.path).length + 1)
    expect(size).toBe(BigInt(name.length))
    expect(Math.abs(modifiedMs - Date.now())).toBeLessThan(60_000)
    found.push(name)
  }
  expect(found).toEqual([...found].sort())
  expect(found).toHaveLength(5)
  for await (const file of io.list(toUri(join(dir.path, 'none')))) expect(file).toBeUndefined()
})

test('a range is read exactly or refused, also with numbers from hostile metadata', async () => {
  await using dir = await tempDir()
  const uri = toUri(join(dir.path, 'file'))
  await io.create(uri, bytes('0123456789'))
  const read = async (offset: bigint, length: bigint) =>
    new TextDecoder().decode(await io.readRange(uri, offset, length))
  expect(await read(0n, 10n)).toBe('0123456789')
  expect(await read(3n, 4n)).toBe('3456')
  expect(await read(10n, 0n)).toBe('')
  for (const [offset, length] of [
    [8n, 3n],
    [11n, 0n],
    [-1n, 2n],
    [2n, -1n],
    [0n, 1n << 62n],
    [1n << 62n, 1n],
  ] as const) {
    await expect(read(offset, length)).rejects.toMatchObject({ code: 'DATA_FILE_INVALID' })
  }
})

test('a file too large for memory is refused before it is read', async () => {
  await using dir = await tempDir()
  const path = join(dir.path, 'huge')
  await writeFile(path, '')
  await truncate(path, 1 << 30)
  await expect(io.read(toUri(path))).rejects.toMatchObject({
    code: 'DATA_FILE_INVALID',
    message: expect.stringContaining('1073741824 bytes'),
  })
})

test('every spelling of a place is one text, and two places never are', () => {
  const same = [
    ['file:///w/t/x', 'file:/w/t/x', 'file://localhost/w/t/x', '/w/t/x', 'FILE:///w//t/./x', 'file:///w/u/../t/x'],
    ['s3://b/t/x', 's3a://b/t/x', 's3n://b/t/x', 'S3://b/t/x'],
    ['gs://b/x', 'GS://b/x'],
  ]
  for (const [first, ...others] of same) for (const other of others) expect(normalizeUri(other)).toBe(first)
  const apart = ['s3://b/t//x', 's3://b/t/x', 's3://B/t/x', 's3://b/t/%78', 'file:///w/%78', 'file:///w/x']
  expect(new Set(apart.map(normalizeUri)).size).toBe(apart.length)
  expect(() => normalizeUri('w/x')).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
  expect(() => normalizeUri('file://elsewhere/x')).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }))
})
