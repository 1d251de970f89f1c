/** Rule: a storage that is configured wrongly is refused by field, without saying a secret. Damage otherwise: writes go elsewhere. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadSettings, parseConfig } from '../../../src/io/project-config.ts'
import { tempDir } from '../../support/temp-dir.ts'

const parse = (config: unknown, env: NodeJS.ProcessEnv = {}) => parseConfig(config, 'hindcast.config.ts', env)

test('a warehouse is a folder or a prefix in S3, as one URI without a slash at its end', async () => {
  await using dir = await tempDir()
  const settings = async (config: object) => {
    // Node keeps what it imported by name and time.
    await writeFile(join(dir.path, 'hindcast.config.ts'), `export default ${JSON.stringify(config)}\n`)
    return loadSettings(dir.path)
  }
  expect(await settings({})).toMatchObject({
    warehouse: `file://${dir.path}/.hindcast/warehouse`,
    writableRoots: [`file://${dir.path}/.hindcast/warehouse`],
  })
})

test.each([
  ['../beside/', 'file:///projects/beside'],
  ['/else/where', 'file:///else/where'],
  ['file:/else//where/', 'file:///else/where'],
  ['s3a://bucket/some/prefix/', 's3://bucket/some/prefix'],
  ['s3://bucket', 's3://bucket'],
])('the warehouse %s lies at %s', async (warehouse, uri) => {
  await using dir = await tempDir()
  await writeFile(
    join(dir.path, 'hindcast.config.ts'),
    `export default ${JSON.stringify({ warehouse, storage: { alsoWritable: ['other', 's3n://more/'] } })}\n`,
  )
  const expected = uri.replace('/projects', join(dir.path, '..'))
  expect(await loadSettings(dir.path)).toMatchObject({
    warehouse: expected,
    writableRoots: [expected, `file://${dir.path}/other`, 's3://more'],
  })
})

test('secrets come from the environment', () => {
  const { storage } = parse(
    { storage: { s3: { accessKeyId: '${KEY}', secretAccessKey: '${SECRET}', sessionToken: '${TOKEN}' } } },
    { KEY: 'key', SECRET: 'secret', TOKEN: 'token' },
  )
  expect(storage.s3).toEqual({ accessKeyId: 'key', secretAccessKey: 'secret', sessionToken: 'token' })
})

test.each([
  [{ warehouse: 'gs://bucket/x' }, 'warehouse: write a folder, or s3://bucket/prefix'],
  [{ warehouse: 's3://' }, 'warehouse: write a folder, or s3://bucket/prefix'],
  [{ storage: { alsoWritable: ['http://x'] } }, 'storage.alsoWritable.0: write a folder'],
  [{ storage: { s3: { endpoint: 'minio:9000' } } }, 'storage.s3.endpoint: write an http or https address'],
  [
    { storage: { s3: { endpoint: 'http://me:hidden@minio:9000' } } },
    'storage.s3.endpoint: leave user and password out',
  ],
  [{ storage: { s3: { secretAccessKey: 'hidden' } } }, 'storage.s3: give accessKeyId and secretAccessKey both'],
  [{ storage: { s3: { sessionToken: 'hidden' } } }, 'storage.s3: a sessionToken needs the keys'],
  [{ storage: { s3: { pathStyle: 'hidden' } } }, 'storage.s3.pathStyle'],
  [{ storage: { s3: { secretKey: 'hidden' } } }, 'unknown field storage.s3.secretKey'],
])('%j is refused', (config, message) => {
  let thrown: unknown
  try {
    parse(config)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) })
  expect(String(thrown)).not.toContain('hidden')
})
