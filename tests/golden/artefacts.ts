import {
  assignFirstRowIds,
  encodeManifest,
  encodeManifestList,
  encodeSingleValue,
  newTableMetadata,
  readAvroContainer,
  serializeTableMetadata,
  type ManifestEntry,
  type ManifestFile,
  type PartitionSpec,
  type Schema,
  type TableMetadata,
} from '../../src/iceberg/index.ts'

const location = 'file:///warehouse/ns/t'
const columns: Schema['fields'] = [
  { id: 1, name: 'id', required: true, type: 'long' },
  { id: 2, name: 'at', required: false, type: 'timestamptz', doc: 'when it happened' },
  { id: 3, name: 'price', required: false, type: 'decimal(9, 2)' },
]
const spec: PartitionSpec = {
  specId: 0,
  fields: [
    { sourceId: 2, fieldId: 1000, name: 'at_day', transform: 'day' },
    { sourceId: 3, fieldId: 1001, name: 'price', transform: 'truncate[50]' },
  ],
}

const schemaOf = (formatVersion: 2 | 3): Schema => ({
  schemaId: 0,
  fields:
    formatVersion === 2
      ? columns
      : [
          ...columns,
          { id: 4, name: 'ns', required: false, type: 'timestamptz_ns' },
          { id: 5, name: 'v', required: false, type: 'variant' },
          { id: 6, name: 'n', required: true, type: 'int', initialDefault: 7, writeDefault: 8 },
        ],
  identifierFieldIds: [1],
})

export function goldenMetadata(formatVersion: 2 | 3): TableMetadata {
  const metadata = newTableMetadata(
    {
      schema: schemaOf(formatVersion),
      spec,
      sortOrder: {
        orderId: 1,
        fields: [{ sourceId: 1, transform: 'identity', direction: 'asc', nullOrder: 'nulls-first' }],
      },
      formatVersion,
      properties: { 'write.metadata.previous-versions-max': '5' },
    },
    { uuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1', location, nowMs: 1_700_000_000_000 },
  )
  return {
    ...metadata,
    lastSequenceNumber: 1n,
    currentSnapshotId: 7n,
    refs: {
      main: { snapshotId: 7n, type: 'branch' },
      first: { snapshotId: 7n, type: 'tag', maxRefAgeMs: 86_400_000 },
    },
    snapshots: [
      {
        snapshotId: 7n,
        sequenceNumber: 1n,
        timestampMs: 1_700_000_000_000,
        manifestList: `${location}/metadata/snap-7.avro`,
        summary: { operation: 'append' },
        schemaId: 0,
        ...(formatVersion === 3 ? { firstRowId: 0n, addedRows: 30n } : {}),
      },
    ],
    snapshotLog: [{ snapshotId: 7n, timestampMs: 1_700_000_000_000 }],
    ...(formatVersion === 3 ? { nextRowId: 30n } : {}),
  }
}

const entriesOf = (formatVersion: 2 | 3, content: 'data' | 'deletes'): ManifestEntry[] => [
  {
    status: 1,
    snapshotId: null,
    sequenceNumber: null,
    fileSequenceNumber: null,
    dataFile:
      content === 'data'
        ? {
            content: 0,
            filePath: `${location}/data/a.parquet`,
            fileFormat: 'PARQUET',
            partition: [19_675, 1450n],
            recordCount: 20n,
            fileSizeInBytes: 4096n,
            columnSizes: new Map([[1, 80n]]),
            valueCounts: new Map([[1, 20n]]),
            nullValueCounts: new Map([[1, 0n]]),
            lowerBounds: new Map([[1, encodeSingleValue('long', 5n)]]),
            upperBounds: new Map([[1, encodeSingleValue('long', 50n)]]),
            splitOffsets: [4n],
            sortOrderId: 1,
          }
        : {
            content: 1,
            filePath: `${location}/data/deletes.${formatVersion === 2 ? 'parquet' : 'puffin'}`,
            fileFormat: formatVersion === 2 ? 'PARQUET' : 'PUFFIN',
            partition: [19_675, null],
            recordCount: 2n,
            fileSizeInBytes: 512n,
            referencedDataFile: `${location}/data/a.parquet`,
            ...(formatVersion === 2 ? {} : { contentOffset: 4n, contentSizeInBytes: 44n }),
          },
  },
]

export const goldenManifest = (formatVersion: 2 | 3, content: 'data' | 'deletes') =>
  encodeManifest({
    formatVersion,
    schema: schemaOf(formatVersion),
    spec,
    content,
    entries: entriesOf(formatVersion, content),
  })

export function goldenManifestList(formatVersion: 2 | 3): Uint8Array {
  const listed = (['data', 'deletes'] as const).map((content): ManifestFile => ({
    ...goldenManifest(formatVersion, content).manifest,
    // The length follows the version of zlib.
    manifestLength: 1000n,
    manifestPath: `${location}/metadata/${content}.avro`,
    sequenceNumber: 1n,
    minSequenceNumber: 1n,
    addedSnapshotId: 7n,
  }))
  const { manifests } = formatVersion === 3 ? assignFirstRowIds(listed, 0n) : { manifests: listed }
  return encodeManifestList(manifests, {
    snapshotId: 7n,
    parentSnapshotId: null,
    sequenceNumber: 1n,
    formatVersion,
    ...(formatVersion === 3 ? { firstRowId: 0n } : {}),
  })
}

/** What is in an Avro file, as people can read it: attributes that are JSON unfolded, numbers of 64 bits and bytes as text. */
export function avroText(bytes: Uint8Array): string {
  const { header, rows } = readAvroContainer(bytes, 'golden')
  const unfolded = Object.fromEntries(
    Array.from(header, ([key, value]) => [key, /^[[{]/.test(value) ? (JSON.parse(value) as unknown) : value]),
  )
  return jsonLines({ header: unfolded, rows })
}

const jsonLines = (value: unknown): string =>
  `${JSON.stringify(
    value,
    (_key, node: unknown) => {
      if (typeof node === 'bigint') return `${node}n`
      return node instanceof Uint8Array ? `0x${Buffer.from(node).toString('hex')}` : node
    },
    2,
  )}\n`

const metadataText = (formatVersion: 2 | 3): string =>
  jsonLines(JSON.parse(new TextDecoder().decode(serializeTableMetadata(goldenMetadata(formatVersion)))))

/** Every artefact that we write, in each version that we write, as its golden file has it. */
export const artefacts: readonly { readonly name: string; readonly text: () => string }[] = ([2, 3] as const).flatMap(
  (version) => [
    { name: `metadata-${version}.json`, text: () => metadataText(version) },
    { name: `manifest-${version}.json`, text: () => avroText(goldenManifest(version, 'data').bytes) },
    { name: `delete-manifest-${version}.json`, text: () => avroText(goldenManifest(version, 'deletes').bytes) },
    { name: `manifest-list-${version}.json`, text: () => avroText(goldenManifestList(version)) },
  ],
)

export const artefactPath = (name: string): URL => new URL(`artefacts/${name}`, import.meta.url)
