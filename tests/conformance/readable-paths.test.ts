/**
 * Rule: the engine reads the same rows of the same files, whether it reaches S3 by itself or is given copies, and never gives away the keys.
 * Damage otherwise: a feature's values depend on where they were computed; keys lie in a log.
 */
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDuckDb, pathList, type DuckDb } from '../../src/io/duckdb.ts'
import { openFiles, openStorage, toUri, type WarehouseFiles } from '../../src/io/files/index.ts'
import type { TableMetadata } from '../../src/iceberg/index.ts'
import { readablePaths } from '../../src/io/readable-paths.ts'
import { httpfsExtension } from '../support/httpfs.ts'
import { spoilingProxy } from '../support/s3/proxy.ts'
import { startTestS3, takesAnyKey, type TestS3 } from '../support/s3/server.ts'
import { tempDir, type TempDir } from '../support/temp-dir.ts'

let server: TestS3
let dir: TempDir
let httpfs: string
let io: WarehouseFiles
let root: string

beforeAll(async () => {
  server = await startTestS3()
  dir = await tempDir()
  httpfs = await httpfsExtension()
  io = openFiles({ s3: server.settings })
  root = `s3://${server.bucket}/w`
})
afterAll(async () => {
  await dir[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const engine = (setting: string): Promise<DuckDb> =>
  openDuckDb({
    threads: 1,
    memoryLimit: '1GB',
    tempDirectory: join(dir.path, `engine-${randomUUID()}`),
    httpfs: setting,
  })

/** Puts a file of rows `first…first + count` there. */
async function put(uri: string, first: number, count: number): Promise<void> {
  await using db = await engine('off')
  const local = join(dir.path, randomUUID())
  await db.run(
    `COPY (SELECT range AS id, 'row ' || range AS name FROM range(${first}, ${first + count}))
     TO '${local}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  )
  await io.adopt(local, uri)
}

const copiesOf = (db: DuckDb): Promise<string[]> => readdir(join(db.tempDirectory, 'copies')).catch(() => [])

test('rows are the same, in order, by the extension and by copies, also as bytes of a file', async () => {
  const uris = Array.from({ length: 5 }, (_, i) => `${root}/same/part=${i}/rows ${i}.parquet`)
  for (const [i, uri] of uris.entries()) await put(uri, i * 10_000, 10_000)
  const local = join(dir.path, 'local.parquet')
  await io.download(uris[0] ?? '', local)
  const all = [...uris.toReversed(), toUri(local), uris[0] ?? '']
  const results: Buffer[] = []
  for (const setting of [httpfs, 'off']) {
    await using db = await engine(setting)
    const paths = await readablePaths(db, io, all)
    expect(paths).toHaveLength(all.length)
    expect(await copiesOf(db)).toHaveLength(setting === 'off' ? 5 : 0)
    if (setting !== 'off') expect(paths.slice(0, 5)).toEqual(uris.toReversed())
    expect(paths[5]).toBe(local)
    const out = join(dir.path, `out-${results.length}.parquet`)
    await db.run(
      `COPY (SELECT id, name FROM read_parquet(${pathList(paths)}, hive_partitioning = false) WHERE id % 3 = 0)
       TO '${out}' (FORMAT parquet)`,
    )
    results.push(await readFile(out))
    // A second relation over the same files copies nothing again.
    expect(await readablePaths(db, io, all)).toEqual(paths)
  }
  expect(results[0]?.equals(results[1] ?? Buffer.of())).toBe(true)
})

test('whatever a name looks like, the engine reads that file and no other', async () => {
  const names = [
    'a b',
    'é☃',
    '😀',
    'a%20b',
    'a%2Fb',
    'x=1/y+z',
    'a#b',
    'a&b',
    `q'u"o`,
    'a:b,c;d@e!f$g(h)~',
    'a//b',
    '{a,b}',
    '^`|<>',
    '..b/x',
    '%',
    'a?b',
    'a?s3_region=eu-west-1',
    'a?s3_endpoint=evil.example',
    'a*b',
    'a[b]',
    'a\\b',
    'ab',
    'a',
    'aXb',
  ].map((name) => `${name}.parquet`)
  const uris = names.map((name) => `${root}/odd/${name}`)
  for (const [i, uri] of uris.entries()) await put(uri, i, 1)
  await using db = await engine(httpfs)
  const paths = await readablePaths(db, io, uris)
  for (const [i, path] of paths.entries()) {
    const rows = await db.rows<{ id: bigint }>(`FROM read_parquet(${pathList([path])}, hive_partitioning = false)`)
    expect(
      rows.map(({ id }) => id),
      names[i],
    ).toEqual([BigInt(i)])
  }
  expect(await copiesOf(db)).toHaveLength(6)
})

test.runIf(takesAnyKey)('each file is read with the access that its table was vended', async () => {
  const signed: Record<string, string> = {}
  await using proxy = await spoilingProxy(server.settings.endpoint, async ({ request, ask, answer }) => {
    const [, key] = /Credential=([^/]+)/.exec(request.headers.authorization ?? '') ?? []
    signed[(request.url ?? '').split('/').slice(3, 5).join('/')] =
      `${key} ${String(request.headers['x-amz-security-token'] ?? '-')}`
    answer(await ask())
  })
  const storage = openStorage({
    s3: { ...server.settings, accessKeyId: 'project', endpoint: proxy.endpoint },
    roots: [root],
  })
  const table = (name: string) =>
    storage.tableFiles({
      metadata: { location: `${root}/${name}` } as TableMetadata,
      config: { 's3.access-key-id': name, 's3.secret-access-key': 'testsecret', 's3.session-token': `${name}-token` },
    })
  await using db = await engine(httpfs)
  const ids = async (files: WarehouseFiles, uri: string): Promise<readonly bigint[]> => {
    const [path = ''] = await readablePaths(db, files, [uri])
    return (await db.rows<{ id: bigint }>(`FROM read_parquet(${pathList([path])})`)).map(({ id }) => id)
  }
  for (const [i, name] of ['one', 'two', 'three'].entries()) await put(`${root}/${name}/x.parquet`, i, 1)
  expect(await ids(table('one'), `${root}/one/x.parquet`)).toEqual([0n])
  expect(await ids(table('two'), `${root}/two/x.parquet`)).toEqual([1n])
  expect(await ids(storage.files, `${root}/three/x.parquet`)).toEqual([2n])
  expect(await ids(table('one'), `${root}/one/x.parquet`)).toEqual([0n])
  expect(signed).toEqual({
    'one/x.parquet': 'one one-token',
    'two/x.parquet': 'two two-token',
    'three/x.parquet': 'project -',
  })
})

test.runIf(takesAnyKey)(
  'what is missing, refused or unreachable has its own code, and no error tells a secret',
  async () => {
    const secret = `it's "a" secret`
    const broken = async (handler: Parameters<typeof spoilingProxy>[1] | null, uri: string, setting: string) => {
      await using proxy = await spoilingProxy(
        server.settings.endpoint,
        handler ?? (({ response }) => void response.destroy()),
      )
      const endpoint = handler === null ? 'http://127.0.0.1:1' : proxy.endpoint
      const files = openFiles({
        s3: { ...server.settings, endpoint, secretAccessKey: secret, sessionToken: `${secret} token` },
      })
      await using db = await engine(setting)
      const error: unknown = await readablePaths(db, files, [uri])
        .then((paths) => db.run(`FROM read_parquet(${pathList(paths)})`))
        .catch((thrown: unknown) => thrown)
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('secret token')
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
      return error
    }
    await put(`${root}/there.parquet`, 0, 1)
    const refusing: Parameters<typeof spoilingProxy>[1] = ({ answer }) =>
      answer({
        status: 403,
        headers: {},
        body: Buffer.from('<Error><Code>AccessDenied</Code><Message>no</Message></Error>'),
      })
    for (const setting of [httpfs, 'off']) {
      const pass: Parameters<typeof spoilingProxy>[1] = async ({ ask, answer }) => answer(await ask())
      expect(await broken(pass, `${root}/none.parquet`, setting)).toMatchObject({ code: 'DATA_FILE_INVALID' })
      expect(await broken(refusing, `${root}/there.parquet`, setting)).toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
      expect(await broken(null, `${root}/there.parquet`, setting)).toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    }
  },
)

test('an extension that cannot be loaded is an error where one was configured', async () => {
  await put(`${root}/x.parquet`, 0, 1)
  await using db = await engine(join(dir.path, 'none.duckdb_extension'))
  await expect(readablePaths(db, io, [`${root}/x.parquet`])).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('engine.httpfs'),
  })
  expect(await readablePaths(db, io, [toUri('/local/x')])).toEqual(['/local/x'])
})

test('an interrupted reading copies no more files', async () => {
  await using db = await engine('off')
  await expect(readablePaths(db, io, [`${root}/x.parquet`], { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'CANCELLED',
  })
})
