// A change of what we write is a change of what every other program reads. It must show in review, and the files shown must be what is read.
import avro from 'avsc'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { decodeManifest, decodeManifestList, parseTableMetadata } from '../../src/iceberg/index.ts'
import { artefactPath, artefacts, goldenManifest, goldenManifestList, goldenMetadata } from './artefacts.ts'

test.each(artefacts)('$name is its golden file', async ({ name, text }) => {
  expect(text()).toBe(await readFile(artefactPath(name), 'utf8'))
})

test.each([2, 3] as const)('the golden files of version %i are read as what was meant', async (version) => {
  const golden = await readFile(artefactPath(`metadata-${version}.json`))
  const metadata = goldenMetadata(version)
  expect(parseTableMetadata(golden, 'golden')).toEqual(metadata)
  const manifests = decodeManifestList(goldenManifestList(version), 'list')
  for (const manifest of manifests) {
    const { bytes } = goldenManifest(version, manifest.content)
    const listed = { ...manifest, manifestLength: BigInt(bytes.length) }
    const [entry] = decodeManifest(bytes, listed, metadata)
    expect(entry).toMatchObject({ snapshotId: 7n, sequenceNumber: 1n, fileSequenceNumber: 1n })
    expect(entry?.dataFile.firstRowId).toBe(version === 3 && manifest.content === 'data' ? 0n : undefined)
  }
})

test.each([2, 3] as const)('another Avro library finds the fields of version %i by their names', async (version) => {
  const long = avro.types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(value)
      return buffer
    },
    fromJSON: BigInt,
    toJSON: String,
    isValid: (value: unknown) => typeof value === 'bigint',
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  })
  const rowsOf = async (bytes: Uint8Array): Promise<unknown[]> => {
    const decoder = new avro.streams.BlockDecoder({
      parseHook: (schema: avro.Schema) => avro.Type.forSchema(schema, { registry: { long } }),
    })
    const rows: unknown[] = []
    const done = new Promise((resolve, reject) => decoder.on('end', resolve).on('error', reject))
    decoder.on('data', (row: object) => rows.push(row))
    decoder.end(Buffer.from(bytes))
    await done
    return rows
  }
  expect(await rowsOf(goldenManifest(version, 'deletes').bytes)).toMatchObject([
    {
      status: 1,
      data_file: {
        content: 1,
        record_count: 2n,
        partition: { at_day: 19_675, price: null },
        ...(version === 3 ? { first_row_id: null, content_offset: 4n, content_size_in_bytes: 44n } : {}),
      },
    },
  ])
  expect(await rowsOf(goldenManifestList(version))).toMatchObject([
    { content: 0, added_rows_count: 20n, ...(version === 3 ? { first_row_id: 0n } : {}) },
    { content: 1, added_rows_count: 2n, ...(version === 3 ? { first_row_id: null } : {}) },
  ])
})
