/**
 * Rule: a store of files keeps its promises, wherever it lies. Damage otherwise: half a manifest is read, one of two commits is lost without
 * a word, an orphan is deleted that is none.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mapConcurrently } from '../../src/iceberg/index.ts'
import { toUri, type WarehouseFiles } from '../../src/io/files/index.ts'
import { fileStores, listAll, type FileStore } from '../support/file-stores.ts'
import { tempDir, type TempDir } from '../support/temp-dir.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (read: Uint8Array) => new TextDecoder().decode(read)

describe.each(Object.entries(fileStores))('files on %s', (_, openStore) => {
  let store: FileStore
  let io: WarehouseFiles
  let scratch: TempDir
  beforeAll(async () => {
    store = await openStore()
    io = store.open()
    scratch = await tempDir()
  })
  afterAll(async () => {
    await scratch[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })

  const listed = (folder: string) => listAll(io, folder)
  const finished = async (content: Uint8Array): Promise<string> => {
    const path = join(scratch.path, `finished-${randomBytes(8).toString('hex')}`)
    await writeFile(path, content)
    return path
  }

  test('of many writers of one file exactly one is told that it created it, and its bytes stay', async () => {
    for (let round = 0; round < 3; round++) {
      const uri = `${store.root}/race/${round}`
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, async (_, writer) => {
          const outcome = await store.open().create(uri, bytes(`writer ${writer}`))
          return { outcome, writer }
        }),
      )
      const winners = outcomes.filter(({ outcome }) => outcome === 'created')
      expect(winners).toHaveLength(1)
      expect(text(await io.read(uri))).toBe(`writer ${winners[0]?.writer}`)
      expect(await io.create(uri, bytes('late'))).toBe('exists')
    }
    expect(await listed(`${store.root}/race`)).toHaveLength(3)
  })

  test('writers in other processes race as ours do', async () => {
    const names = Array.from({ length: 15 }, (_, i) => `${store.root}/processes/${i}`)
    const script = `
      import { openFiles } from ${JSON.stringify(new URL('../../src/io/files/index.ts', import.meta.url).href)}
      const io = openFiles(${JSON.stringify(store.options)})
      const outcomes = await Promise.all(${JSON.stringify(names)}.map((uri) => io.create(uri, Buffer.from(String(process.pid)))))
      process.stdout.write(JSON.stringify(outcomes))
    `
    const runs = await Promise.all(
      Array.from({ length: 3 }, () =>
        promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]).then(
          ({ stdout }) => JSON.parse(stdout) as string[],
        ),
      ),
    )
    for (const i of names.keys()) expect(runs.filter((run) => run[i] === 'created')).toHaveLength(1)
  })

  test('many large files adopted under one name: one is created, all others are refused, and it stays whole', async () => {
    const uri = `${store.root}/race/large`
    const contents = Array.from({ length: 4 }, (_, i) => new Uint8Array(20 << 20).fill(i))
    const outcomes = await Promise.allSettled(
      contents.map(async (content) => store.open().adopt(await finished(content), uri)),
    )
    const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []))
    expect(winners).toHaveLength(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'INVARIANT_VIOLATED' })
    }
    expect(Buffer.compare(await io.read(uri), contents[winners[0] ?? -1] ?? bytes(''))).toBe(0)
  })

  test('who reads a file that is being replaced sees one version whole', async () => {
    const uri = `${store.root}/replaced`
    const version = (i: number) => new Uint8Array(1 << 20).fill(i)
    await io.replace(uri, version(0))
    let writing = true
    const write = async () => {
      for (let i = 1; i < 20; i++) await io.replace(uri, version(i))
      writing = false
    }
    const read = async () => {
      const reader = store.open()
      while (writing) {
        const seen = await reader.read(uri)
        expect(seen.length).toBe(1 << 20)
        expect(seen.every((byte) => byte === seen[0])).toBe(true)
      }
    }
    await Promise.all([write(), read(), read()])
    expect((await io.read(uri))[0]).toBe(19)
  })

  test('names are taken literally', async () => {
    const names = [
      'a b/c d',
      'é☃/日本語',
      'e\u0301 is not é',
      '😀\uffee',
      'a%20b',
      'a%2Fb/%25/%',
      'day=2024-01-01/x=a+b&c',
      'hash#tag?query=1',
      `quo'te"s`,
      '*?[a]{b}',
      'colon:semi;comma,at@dollar$',
      '~tilde^caret`back|pipe<angle>',
      'back\\slash',
      '...three/..two/.one',
    ]
    for (const name of names) {
      const uri = `${store.root}/odd/${name}`
      expect(await io.create(uri, bytes(name))).toBe('created')
      expect(await io.create(uri, bytes('other'))).toBe('exists')
      expect(text(await io.read(uri))).toBe(name)
      expect(await io.size(uri)).toBe(BigInt(bytes(name).length))
    }
    const found = await listed(`${store.root}/odd`)
    const byCodePoint = [...names].sort((a, b) => Buffer.from(a).compare(Buffer.from(b)))
    expect(found.map(({ path }) => path)).toEqual(byCodePoint.map((name) => `${store.root}/odd/${name}`))
    await io.delete(`${store.root}/odd/a%20b`)
    await io.deleteAll(names.slice(0, 3).map((name) => `${store.root}/odd/${name}`))
    expect(await listed(`${store.root}/odd`)).toHaveLength(names.length - 4)
  })

  test('a listing is complete, in order and of one folder; what it lists can be deleted at once', async () => {
    const names = Array.from({ length: 1100 }, (_, i) => `${String(i % 7)}/file-${String(i).padStart(4, '0')}`)
    await mapConcurrently(names, 50, (name) => io.replace(`${store.root}/many/${name}`, bytes(name)))
    await io.replace(`${store.root}/many-others/file`, bytes(''))
    await io.replace(`${store.root}/many.txt`, bytes(''))
    const found = await listed(`${store.root}/many`)
    expect(found.map(({ path }) => path)).toEqual(names.map((name) => `${store.root}/many/${name}`).sort())
    for (const { size, modifiedMs } of found) {
      expect(size).toBe(11n)
      expect(Math.abs(modifiedMs - Date.now())).toBeLessThan(120_000)
    }
    expect(await listed(`${store.root}/many/`)).toHaveLength(1100)
    await io.deleteAll([...found.map(({ path }) => path), `${store.root}/many/never-there`])
    expect(await listed(`${store.root}/many`)).toEqual([])
    expect(await io.size(`${store.root}/many-others/file`)).toBe(0n)
  })

  test('a range is read exactly or refused, also with numbers from hostile metadata', async () => {
    const uri = `${store.root}/range`
    await io.create(uri, bytes('0123456789'))
    const read = async (offset: bigint, length: bigint) => text(await io.readRange(uri, offset, length))
    expect(await read(0n, 10n)).toBe('0123456789')
    expect(await read(3n, 4n)).toBe('3456')
    expect(await read(9n, 1n)).toBe('9')
    expect(await read(0n, 0n)).toBe('')
    expect(await read(10n, 0n)).toBe('')
    const hostile = [
      [8n, 3n],
      [10n, 1n],
      [11n, 0n],
      [-1n, 2n],
      [2n, -1n],
      [0n, 1n << 62n],
      [1n << 62n, 1n],
      [1n << 70n, 1n],
    ] as const
    for (const [offset, length] of hostile) {
      await expect(read(offset, length)).rejects.toMatchObject({
        code: 'DATA_FILE_INVALID',
        message: expect.stringContaining('range'),
      })
    }
  })

  test('a file that is not there', async () => {
    const uri = `${store.root}/none/file`
    const looks = [
      () => io.read(uri),
      () => io.readRange(uri, 0n, 1n),
      () => io.download(uri, join(scratch.path, 'none')),
    ]
    for (const look of looks) {
      await expect(look()).rejects.toMatchObject({
        code: 'DATA_FILE_INVALID',
        message: expect.stringContaining('no such'),
      })
    }
    expect(await io.size(uri)).toBeNull()
    expect(await listed(`${store.root}/none`)).toEqual([])
    await io.delete(uri)
    await io.deleteAll([uri])
    await io.deleteAll([])
  })

  test('an empty file is a file', async () => {
    const uri = `${store.root}/empty`
    expect(await io.create(uri, new Uint8Array())).toBe('created')
    expect(await io.create(uri, bytes('x'))).toBe('exists')
    expect(await io.read(uri)).toHaveLength(0)
    expect(await io.size(uri)).toBe(0n)
    await io.download(uri, join(scratch.path, 'empty'))
    expect(await readFile(join(scratch.path, 'empty'))).toHaveLength(0)
    expect(await io.adopt(await finished(new Uint8Array()), uri)).toBe('exists')
  })

  test.each([
    ['small', 1000],
    ['of several parts', 40 << 20],
  ])('a finished file, %s, is moved there, kept when equal and never mixed up with another', async (name, size) => {
    const uri = `${store.root}/adopted/${name}`
    const content = randomBytes(size)
    const first = await finished(content)
    expect(await io.adopt(first, uri)).toBe('created')
    expect(await readdir(scratch.path)).not.toContain(first)
    expect(await io.size(uri)).toBe(BigInt(size))
    expect(await io.adopt(await finished(content), uri)).toBe('exists')
    const other = Buffer.from(content)
    other[size - 1] = (other[size - 1] ?? 0) ^ 1
    for (const wrong of [other, content.subarray(1), Buffer.concat([content, content.subarray(0, 1)])]) {
      await expect(io.adopt(await finished(wrong), uri)).rejects.toMatchObject({ code: 'INVARIANT_VIOLATED' })
    }
    const copy = join(scratch.path, 'copy')
    await io.download(uri, copy)
    expect(Buffer.compare(await readFile(copy), content)).toBe(0)
    const middle = await io.readRange(uri, BigInt(size) / 2n, 100n)
    expect(Buffer.compare(middle, content.subarray(size / 2, size / 2 + 100))).toBe(0)
  })

  test('a local file that cannot be moved or written is told apart from the store', async () => {
    const missing = join(scratch.path, 'never-written')
    await expect(io.adopt(missing, `${store.root}/unwritten`)).rejects.toMatchObject({
      message: expect.stringContaining(missing),
    })
    expect(await io.size(`${store.root}/unwritten`)).toBeNull()
    await io.create(`${store.root}/there`, bytes('x'))
    const nowhere = join(scratch.path, 'no folder', 'copy')
    await expect(io.download(`${store.root}/there`, nowhere)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  })
})

test('local files are walked past links and folders alone', async () => {
  await using dir = await tempDir()
  await mkdir(join(dir.path, 'a/empty'), { recursive: true })
  await writeFile(join(dir.path, 'a/file'), '')
  const io = (await fileStores['local disk']()).open()
  expect((await listAll(io, toUri(dir.path))).map(({ path }) => path)).toEqual([toUri(join(dir.path, 'a/file'))])
})
