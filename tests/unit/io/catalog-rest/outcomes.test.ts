// Rule: `conflicted` and errors promise that nothing was done. Damage otherwise: files that a commit rests on are deleted as left over.
import { expect, test } from 'vitest'
import {
  applied,
  change,
  failure,
  identifier,
  openScripted,
  scriptedCatalog,
  snapshotId,
  table,
  tableBody,
} from './support.ts'
import type { Scripted } from '../../../support/scripted-server.ts'

/** Answers one after another; the last one again and again. */
const inTurn = (...answers: readonly (Scripted | 'reset' | 'hang')[]) => {
  let turn = 0
  return () => answers[Math.min(turn++, answers.length - 1)] as Scripted
}

test.each([500, 502, 504, 599])('HTTP %i to a commit is unknown, and is not sent again', async (status) => {
  await using scripted = await scriptedCatalog(inTurn(failure(status)))
  expect(await scripted.catalog.commit(table, change)).toMatchObject({
    status: 'unknown',
    cause: { code: 'CATALOG_UNAVAILABLE', message: expect.stringContaining(String(status)) },
  })
  expect(scripted.server.seen).toHaveLength(2)
})

test.each(['reset', 'hang'] as const)('a commit that is answered by %s is unknown', async (how) => {
  await using scripted = await scriptedCatalog(inTurn(how), { catalog: { requestTimeoutMs: 300 } })
  expect(await scripted.catalog.commit(table, change)).toMatchObject({ status: 'unknown' })
  expect(scripted.server.seen).toHaveLength(2)
})

test.each([
  ['no JSON', 'not json'],
  ['half of it', tableBody(applied()).slice(0, 200)],
  ['no table', '{}'],
])('a commit that was done, answered with %s, is unknown', async (_, body) => {
  await using scripted = await scriptedCatalog(inTurn({ status: 200, body }))
  expect(await scripted.catalog.commit(table, change)).toMatchObject({ status: 'unknown' })
})

test('too many requests are sent again until they are done', async () => {
  await using scripted = await scriptedCatalog(
    inTurn(failure(429), failure(503), { status: 200, body: tableBody(applied()) }),
  )
  const outcome = await scripted.catalog.commit(table, change)
  expect(outcome).toMatchObject({ status: 'committed', table: { metadata: { currentSnapshotId: snapshotId } } })
  const sent = scripted.server.seen.at(-1)?.body ?? ''
  expect(sent).toContain(`"snapshot-id":${snapshotId}`)
  expect(sent).toContain('"assert-table-uuid"')
})

test('a server that is too busy for ever is unavailable, and a commit to it was never done', async () => {
  await using scripted = await scriptedCatalog(inTurn(failure(429)))
  await expect(scripted.catalog.commit(table, change)).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
})

test.each([
  ['a conflict', failure(409, 'CommitFailedException')],
  ['the end of its patience', failure(503)],
  ['a refusal', failure(403)],
])('after HTTP 503, which may hide a commit that was done, %s is unknown', async (_, last) => {
  await using scripted = await scriptedCatalog(inTurn(failure(503), last))
  expect(await scripted.catalog.commit(table, change)).toMatchObject({ status: 'unknown' })
})

test('a conflict is told with what the table is now; only a moved pointer is tried again', async () => {
  const turns: Scripted[] = [failure(409), failure(409)]
  await using scripted = await scriptedCatalog(({ method }) => {
    // Between the tries it looks: first the requirements still hold, then another snapshot is on main.
    if (method === 'GET') return { status: 200, body: tableBody(turns.length > 0 ? table : applied()) }
    return turns.shift() ?? failure(409)
  })
  expect(await scripted.catalog.commit(table, change)).toMatchObject({
    status: 'conflicted',
    reason: expect.stringContaining(String(snapshotId)),
  })
  expect(scripted.server.seen.filter(({ method }) => method === 'POST')).toHaveLength(2)
})

test('a commit that the server cannot make sense of is no conflict', async () => {
  await using scripted = await scriptedCatalog(({ method }) =>
    method === 'GET' ? { status: 200, body: tableBody(table) } : failure(400, 'BadRequestException', 'what is this'),
  )
  await expect(scripted.catalog.commit(table, change)).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
    message: expect.stringContaining('what is this'),
  })
})

test('a server that moves main in place of a branch is found out by its answer', async () => {
  const asked = {
    requirements: [],
    updates: [
      ...change.updates.slice(0, 1),
      { action: 'set-snapshot-ref', refName: 'audit', ref: { type: 'branch', snapshotId } } as const,
    ],
  }
  await using scripted = await scriptedCatalog(({ method, body }) => {
    // A server that keeps refs while it is tried out, and then does not.
    if (method === 'GET' || body.includes('hindcast_probe')) return { status: 200, body: tableBody(probed) }
    return { status: 200, body: tableBody(applied()) }
  })
  const probed = applied({
    requirements: [],
    updates: [
      ...change.updates,
      { action: 'set-snapshot-ref', refName: 'hindcast_probe_abcdef01', ref: { type: 'branch', snapshotId } },
    ],
  })
  await expect(scripted.catalog.commit(table, asked)).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' })
})

test('reading is tried again through every failure of the server, and then it is unavailable', async () => {
  await using scripted = await scriptedCatalog(
    inTurn(failure(500), 'reset', failure(502), { status: 200, body: tableBody(table) }),
  )
  expect((await scripted.catalog.loadTable(identifier)).metadata).toEqual(table.metadata)
  scripted.server.script = () => failure(500)
  await expect(scripted.catalog.loadTable(identifier)).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
})

test('nobody there: unavailable; another web server there: no catalog', async () => {
  await expect(openScripted('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
  await using scripted = await scriptedCatalog(() => failure(404))
  await expect(openScripted(`${scripted.server.uri}/elsewhere`)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    hint: expect.stringContaining('catalog.uri'),
  })
})

test('a redirect is not followed with our secrets', async () => {
  await using scripted = await scriptedCatalog(() => ({ status: 301, headers: { location: 'http://127.0.0.1:1/' } }))
  await expect(scripted.catalog.loadTable(identifier)).rejects.toMatchObject({
    message: expect.stringContaining('catalog.uri'),
  })
})

test('storage credentials and table config are asked for, and stay with the table through a commit', async () => {
  const more = {
    config: { 's3.region': 'eu-north-1' },
    'storage-credentials': [{ prefix: 's3://bucket/raw', config: { 's3.access-key-id': 'k' } }],
  }
  await using scripted = await scriptedCatalog(({ method }) =>
    method === 'GET' ? { status: 200, body: tableBody(table, more) } : { status: 200, body: tableBody(applied()) },
  )
  const loaded = await scripted.catalog.loadTable(identifier)
  expect(scripted.server.seen.at(-1)?.headers['x-iceberg-access-delegation']).toBe('vended-credentials')
  const vended = { config: more.config, storageCredentials: more['storage-credentials'] }
  expect(loaded).toMatchObject(vended)
  expect(await scripted.catalog.commit(loaded, change)).toMatchObject({ status: 'committed', table: vended })
})

test('lists come in pages', async () => {
  const page = (name: string, next?: string): Scripted => ({
    status: 200,
    body: { identifiers: [{ namespace: ['raw'], name }], ...(next === undefined ? {} : { 'next-page-token': next }) },
  })
  await using scripted = await scriptedCatalog(({ path }) =>
    path.endsWith('pageToken=')
      ? page('a', 'x y/z')
      : path.includes('pageToken=x%20y%2Fz')
        ? page('b', 'last')
        : page('c'),
  )
  expect((await scripted.catalog.listTables(['raw'])).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
})

test('paths follow the server’s prefix and separator, and no name leaves its place in them', async () => {
  const options = { config: { overrides: { prefix: 'main%7Cwh', 'namespace-separator': '%2E' } } }
  await using scripted = await scriptedCatalog(() => failure(404, 'NoSuchTableException'), options)
  await scripted.catalog.tableExists({ namespace: ['a b', 'ü'], name: 'x?y#z' })
  expect(scripted.server.seen.at(-1)?.path).toBe('/v1/main%7Cwh/namespaces/a%20b%2E%C3%BC/tables/x%3Fy%23z')
  const before = scripted.server.seen.length
  expect(await scripted.catalog.tableExists({ namespace: ['a'], name: '..' })).toBe(false)
  expect(scripted.server.seen).toHaveLength(before)
  await using plain = await scriptedCatalog(() => failure(404, 'NoSuchTableException'))
  await plain.catalog.tableExists({ namespace: ['a', 'b'], name: 'c' })
  expect(plain.server.seen.at(-1)?.path).toBe('/v1/namespaces/a%1Fb/tables/c')
})

test('a server may move us on its own ground only', async () => {
  await using other = await scriptedCatalog(() => failure(500))
  await using scripted = await scriptedCatalog(() => failure(404), { config: { overrides: { uri: other.server.uri } } })
  await scripted.catalog.tableExists(identifier)
  expect(other.server.seen).toHaveLength(1)
})
