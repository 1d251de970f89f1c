/** Rule: nothing is written or deleted outside the roots, whatever metadata says. Damage otherwise: a hostile table deletes a home folder. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFiles, openStorage, toUri, within, type WarehouseFiles } from '../../../../src/io/files/index.ts'
import type { TableMetadata } from '../../../../src/iceberg/index.ts'
import { tempDir } from '../../../support/temp-dir.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

async function expectRefused(io: WarehouseFiles, uri: string, scratch: string): Promise<void> {
  const refused = {
    code: 'REQUEST_INVALID',
    message: expect.stringContaining(uri),
    hint: expect.stringContaining('storage.alsoWritable'),
  }
  const local = join(scratch, 'finished')
  await writeFile(local, 'finished')
  await expect(io.create(uri, bytes('x')), uri).rejects.toMatchObject(refused)
  await expect(io.replace(uri, bytes('x')), uri).rejects.toMatchObject(refused)
  await expect(io.adopt(local, uri), uri).rejects.toMatchObject(refused)
  await expect(io.delete(uri), uri).rejects.toMatchObject(refused)
  await expect(io.deleteAll([uri]), uri).rejects.toMatchObject(refused)
  expect(await readFile(local, 'utf8'), 'a refused file stays where it was').toBe('finished')
}

test('a path that leaves the roots, by whatever reading of its text, is read but never changed', async () => {
  await using dir = await tempDir()
  const root = join(dir.path, 'warehouse')
  await mkdir(join(root, 't'), { recursive: true })
  await writeFile(join(dir.path, 'outside'), 'kept')
  await writeFile(join(root, 't/kept'), 'kept')
  const io = within(openFiles(), [toUri(root)])
  const outside = join(dir.path, 'outside')
  const paths = [
    outside,
    `file://${outside}`,
    `FILE://${outside}`,
    `file:${outside}`,
    `file://localhost${outside}`,
    `file://${root}/../outside`,
    `file://${root}/t/../../outside`,
    `file://${root}/t/../kept`,
    `file://${root}/t/./kept`,
    `file://${root}/%2e%2e/outside`,
    `file://${root}/.%2E/outside`,
    `file://${root}/%252e%252e/outside`,
    `file://${root}/%25252525252525252525252525252e/outside`,
    `file://${root}/..%2foutside`,
    `file://${root}/a%2f..%2f..%2foutside`,
    `file://${root}/..\\outside`,
    `file://${root}/a%5c..%5cx`,
    `file://${root}/nul%00/x`,
    `file://${root}/nul\0/x`,
    `file://${root}-beside/x`,
    `file://${root}`,
    `file://${root}/`,
    's3://bucket/x',
    `s3:/${root}/x`,
  ]
  for (const path of paths) await expectRefused(io, path, dir.path)
  // A batch with one bad path changes nothing.
  await expect(io.deleteAll([`file://${root}/t/kept`, outside])).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  expect(new TextDecoder().decode(await io.read(outside))).toBe('kept')
  expect(await readFile(join(root, 't/kept'), 'utf8')).toBe('kept')
  expect((await readdir(dir.path)).sort()).toEqual(['finished', 'outside', 'warehouse'])
})

test('what only looks like leaving is written and deleted', async () => {
  await using dir = await tempDir()
  const root = join(dir.path, 'warehouse')
  const io = within(openFiles(), [toUri(root)])
  const names = [
    'x',
    'a/b c',
    '..a/b../c',
    'origin=..%2F..%2Fetc/x',
    'my%20column=%2e%2e/x',
    'day=2024-01-01/é☃',
    '100%',
    '%zz',
  ]
  for (const name of names) {
    expect(await io.create(`file:${root}//${name}`, bytes(name)), name).toBe('created')
    expect(await readFile(join(root, name), 'utf8')).toBe(name)
  }
  await io.deleteAll(names.map((name) => `${root}/${name}`))
  for (const name of names) expect(await io.size(toUri(join(root, name)))).toBeNull()
})

test('a link that leads out of the root is not followed to a write or delete; one that leads in is', async () => {
  await using dir = await tempDir()
  const root = join(dir.path, 'real/warehouse')
  await mkdir(join(root, 'data'), { recursive: true })
  await mkdir(join(dir.path, 'elsewhere/deep'), { recursive: true })
  await writeFile(join(dir.path, 'elsewhere/deep/kept'), 'kept')
  await symlink(join(dir.path, 'elsewhere'), join(root, 'out'))
  await symlink('../../elsewhere/deep', join(root, 'relative'))
  await symlink(join(dir.path, 'not there yet'), join(root, 'dangling'))
  await symlink('data', join(root, 'in'))
  await symlink(join(root, 'round'), join(root, 'round'))
  await symlink(join(dir.path, 'elsewhere/deep/kept'), join(root, 'file-link'))
  await symlink(join(dir.path, 'real'), join(dir.path, 'link-to-real'))

  const io = within(openFiles(), [toUri(root)])
  for (const path of ['out/deep/kept', 'out/new/x', 'relative/kept', 'dangling/x', 'dangling/deep/x']) {
    await expectRefused(io, toUri(join(root, path)), dir.path)
  }
  await expect(io.create(toUri(join(root, 'round/x')), bytes('x'))).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
  })
  expect(await io.create(toUri(join(root, 'in/x')), bytes('x'))).toBe('created')
  // Deleting a link to a file deletes the link.
  await io.delete(toUri(join(root, 'file-link')))
  expect(await readFile(join(dir.path, 'elsewhere/deep/kept'), 'utf8')).toBe('kept')
  // Both spellings of the root serve, whichever was configured.
  const other = within(openFiles(), [toUri(join(dir.path, 'link-to-real/warehouse'))])
  expect(await other.create(toUri(join(root, 'in/y')), bytes('y'))).toBe('created')
  expect(await io.create(toUri(join(dir.path, 'link-to-real/warehouse/z')), bytes('z'))).toBe('created')
})

test('an absurdly encoded path is refused at once', async () => {
  const io = within(openFiles(), ['file:///warehouse'])
  const started = performance.now()
  await expect(io.delete(`file:///warehouse/%${'25'.repeat(300_000)}`)).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  })
  expect(performance.now() - started).toBeLessThan(3000)
})

test('a table may be written where a catalog that answers for it says, any other only below the roots', async () => {
  await using dir = await tempDir()
  const roots = [toUri(join(dir.path, 'warehouse'))]
  const storage = openStorage({ s3: {}, roots })
  const server = openStorage({ s3: {}, roots, trustLocations: true })
  const metadata = { location: toUri(join(dir.path, 'elsewhere/t')) } as TableMetadata
  const uri = `${metadata.location}/data/x`
  await expectRefused(storage.tableFiles({ metadata }), uri, dir.path)
  await expectRefused(storage.files, uri, dir.path)
  await expectRefused(storage.tableFiles({ metadata, config: {} }), uri, dir.path)
  await expectRefused(server.files, uri, dir.path)
  expect(await server.tableFiles({ metadata }).create(uri, bytes('x'))).toBe('created')
  await expectRefused(server.tableFiles({ metadata, config: {} }), toUri(join(dir.path, 'elsewhere/u')), dir.path)
})
