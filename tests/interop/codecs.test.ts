/** Rule: what a table's properties say of packing is done, and read by all. Damage otherwise: a table that one engine cannot open. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { quoteString } from '../../src/compile/quote.ts'
import { readAvroContainer } from '../../src/iceberg/avro/container.ts'
import { decodeManifestList } from '../../src/iceberg/manifest/manifest-list.ts'
import { planScan } from '../../src/iceberg/scan/plan-scan.ts'
import { snapshotFor } from '../../src/iceberg/metadata/snapshots.ts'
import { define } from '../support/counterparts/definition.ts'
import { lakehouse, type Lakehouse } from '../support/counterparts/lakehouse.ts'
import { inOrder, type Row } from '../support/counterparts/plain-values.ts'

const rows = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, index) => ({ id: String(from + index), name: `name ${from + index}` }))

/** The codecs of the head's manifest list and of its manifests, by who wrote them: that list and the manifests that its snapshot added. */
async function codecsOfHead(lake: Lakehouse): Promise<(string | undefined)[]> {
  const { metadata } = await lake.load('db.t')
  const snapshot = snapshotFor(metadata, { snapshotId: metadata.currentSnapshotId ?? 0n })
  const list = await lake.io.read(snapshot.manifestList)
  const added = decodeManifestList(list, snapshot.manifestList).filter(
    ({ addedSnapshotId }) => addedSnapshotId === snapshot.snapshotId,
  )
  const files = [list, ...(await Promise.all(added.map(({ manifestPath }) => lake.io.read(manifestPath))))]
  return files.map((bytes) => readAvroContainer(bytes, 'a file').header.get('avro.codec'))
}

for (const [property, codec, metadataCodec] of [
  ['gzip', 'deflate', 'none'],
  ['zstd', 'zstandard', 'gzip'],
  ['snappy', 'snappy', 'gzip'],
  ['uncompressed', 'null', 'none'],
] as const) {
  test(`manifests packed by ${property} and metadata by ${metadataCodec}`, async () => {
    await using lake = await lakehouse()
    await lake.create('db.t', {
      ...define({ columns: { id: 'long', name: 'string' } }),
      properties: { 'write.avro.compression-codec': property, 'write.metadata.compression-codec': metadataCodec },
    })
    await lake.append('db.t', rows(0, 3))
    const { metadataLocation } = await lake.load('db.t')
    expect(metadataLocation.endsWith('.gz.metadata.json')).toBe(metadataCodec === 'gzip')
    expect(await codecsOfHead(lake)).toEqual([codec, codec])
    expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 3)))
    await lake.spark(`INSERT INTO db.t VALUES (3, 'name 3')`)
    expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 4)))
    await lake.append('db.t', rows(4, 6))
    expect(await lake.agreedRows('db.t')).toEqual(inOrder(rows(0, 6)))
  })
}

for (const [codec, inFile, without] of [
  ['zstd', 'ZSTD', []],
  ['snappy', 'SNAPPY', []],
  ['gzip', 'GZIP', []],
  ['lz4', 'LZ4_RAW', []],
  // Iceberg's Java library has the codec only where its users bring it.
  ['brotli', 'BROTLI', ['java', 'spark']],
  ['uncompressed', 'UNCOMPRESSED', []],
] as const) {
  test(`data files packed by ${codec}`, async () => {
    await using lake = await lakehouse()
    await lake.create('db.t', {
      ...define({ columns: { id: 'long', name: 'string' } }),
      properties: { 'write.parquet.compression-codec': codec },
    })
    const table = await lake.append('db.t', rows(0, 3))
    const { tasks } = await planScan({ table, io: lake.io })
    const path = quoteString(fileURLToPath(tasks[0]?.dataFile.filePath ?? ''))
    expect(await lake.db.rows(`SELECT DISTINCT compression FROM parquet_metadata(${path})`)).toEqual([
      { compression: inFile },
    ])
    expect(await lake.agreedRows('db.t', { without })).toEqual(inOrder(rows(0, 3)))
  })
}
