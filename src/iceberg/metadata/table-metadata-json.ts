/** Table metadata files: https://iceberg.apache.org/spec/#table-metadata-and-snapshots */
import { isInteger, LosslessNumber, parse, stringify } from 'lossless-json'
import { gunzipSync } from 'node:zlib'
import { HindcastError } from '../../contract/index.ts'
import {
  FieldError,
  listAt,
  longAt,
  numberAt,
  objectAt,
  optionalField,
  textAt,
  textsAt,
  type JsonObject,
} from './json-fields.ts'
import type { Schema } from '../types/schema.ts'
import type {
  PartitionField,
  PartitionSpec,
  Snapshot,
  SnapshotRef,
  SortField,
  SortOrder,
  TableMetadata,
} from './table-metadata.ts'
import { parseSchema, schemaToJson, TypeSyntaxError } from '../types/types.ts'

const knownFields: ReadonlySet<string> = new Set([
  'format-version',
  'table-uuid',
  'location',
  'last-sequence-number',
  'last-updated-ms',
  'last-column-id',
  'current-schema-id',
  'schemas',
  'default-spec-id',
  'partition-specs',
  'last-partition-id',
  'default-sort-order-id',
  'sort-orders',
  'properties',
  'current-snapshot-id',
  'snapshots',
  'snapshot-log',
  'metadata-log',
  'refs',
  // Version 1's copies of what the lists above say: version 2 doesn't write them, and kept they would go stale.
  'schema',
  'partition-spec',
])

/** The id below which there are no partition fields. */
export const FIRST_PARTITION_FIELD_ID = 1000

/** Metadata is text of megabytes at most; more is a fault or a bomb. */
const maxMetadataBytes = 1 << 29

/**
 * Parses a metadata file, plain or gzipped. Ids of 64 bits survive whole, and fields this version does not know are kept.
 * @param location names the file in errors
 * @throws METADATA_INVALID with the file and the reason; FEATURE_UNSUPPORTED for another format version
 */
export function parseTableMetadata(bytes: Uint8Array, location: string): TableMetadata {
  try {
    return read(objectAt(parseJson(bytes), 'the document'), location)
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof TypeSyntaxError)) throw error
    throw new HindcastError('METADATA_INVALID', `table metadata ${location} cannot be read: ${error.message}`, {
      hint: 'Point the catalog at an older metadata file of the table (its metadata folder keeps them), or restore this one.',
      context: { path: location },
      cause: error,
    })
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b
    const plain = zipped ? gunzipSync(bytes, { maxOutputLength: maxMetadataBytes }) : bytes
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(plain), undefined, parseNumber)
  } catch (error) {
    throw new FieldError(`it is no JSON document (${error instanceof Error ? error.message : String(error)})`, {
      cause: error,
    })
  }
}

function parseNumber(text: string): number | bigint | LosslessNumber {
  if (!isInteger(text) || text === '-0') return new LosslessNumber(text)
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

function read(json: JsonObject, location: string): TableMetadata {
  const version = json['format-version']
  if (version === 1 || (typeof version === 'number' && version >= 3)) {
    throw new HindcastError('FEATURE_UNSUPPORTED', `table metadata ${location} has Iceberg format version ${version}`, {
      hint:
        version === 1
          ? "Only version 2 is read: raise the table to it (Spark: ALTER TABLE … SET TBLPROPERTIES ('format-version' = '2'))."
          : 'Only version 2 is read, and a table cannot be lowered: write it again as version 2.',
      context: { path: location, formatVersion: version },
    })
  }
  if (version !== 2) throw new FieldError('"format-version" must be 2')
  const list = <T>(key: string, readItem: (item: JsonObject, where: string) => T): T[] =>
    listAt(json[key], `"${key}"`).map((item, index) => readItem(objectAt(item, `${key}[${index}]`), `${key}[${index}]`))
  const optionalList = <T>(key: string, readItem: (item: JsonObject, where: string) => T): T[] =>
    json[key] === undefined || json[key] === null ? [] : list(key, readItem)

  const currentId = json['current-snapshot-id']
  const currentSnapshotId =
    currentId === undefined || currentId === null || currentId === -1
      ? null
      : longAt(currentId, '"current-snapshot-id"')
  const snapshots = optionalList('snapshots', readSnapshot)
  const metadata: TableMetadata = {
    formatVersion: 2,
    tableUuid: textAt(json['table-uuid'], '"table-uuid"'),
    location: textAt(json['location'], '"location"'),
    lastSequenceNumber: longAt(json['last-sequence-number'], '"last-sequence-number"'),
    lastUpdatedMs: numberAt(json['last-updated-ms'], '"last-updated-ms"'),
    lastColumnId: numberAt(json['last-column-id'], '"last-column-id"'),
    currentSchemaId: numberAt(json['current-schema-id'], '"current-schema-id"'),
    schemas: list('schemas', readSchema),
    defaultSpecId: numberAt(json['default-spec-id'], '"default-spec-id"'),
    partitionSpecs: list('partition-specs', readSpec),
    lastPartitionId: numberAt(json['last-partition-id'], '"last-partition-id"'),
    defaultSortOrderId: numberAt(json['default-sort-order-id'], '"default-sort-order-id"'),
    sortOrders: list('sort-orders', readSortOrder),
    properties: json['properties'] === undefined ? {} : textsAt(json['properties'], '"properties"'),
    currentSnapshotId,
    snapshots,
    snapshotLog: optionalList('snapshot-log', (entry, where) => ({
      snapshotId: longAt(entry['snapshot-id'], `${where}."snapshot-id"`),
      timestampMs: numberAt(entry['timestamp-ms'], `${where}."timestamp-ms"`),
    })),
    metadataLog: optionalList('metadata-log', (entry, where) => ({
      metadataFile: textAt(entry['metadata-file'], `${where}."metadata-file"`),
      timestampMs: numberAt(entry['timestamp-ms'], `${where}."timestamp-ms"`),
    })),
    refs: readRefs(json['refs'], currentSnapshotId),
    statistics: [],
    partitionStatistics: [],
    nextRowId: 0n,
    unknownFields: Object.fromEntries(Object.entries(json).filter(([key]) => !knownFields.has(key))),
  }
  checkReferences(metadata)
  return metadata
}

function readSchema(json: JsonObject, where: string): Schema {
  try {
    return parseSchema(json)
  } catch (error) {
    throw error instanceof TypeSyntaxError ? new FieldError(`${where}: ${error.message}`) : error
  }
}

const readSpec = (json: JsonObject, where: string): PartitionSpec => ({
  specId: numberAt(json['spec-id'], `${where}."spec-id"`),
  fields: listAt(json['fields'], `${where}."fields"`).map((item, index): PartitionField => {
    const at = `${where}.fields[${index}]`
    const field = objectAt(item, at)
    return {
      sourceId: numberAt(field['source-id'], `${at}."source-id"`),
      fieldId: numberAt(field['field-id'], `${at}."field-id"`),
      name: textAt(field['name'], `${at}."name"`),
      transform: textAt(field['transform'], `${at}."transform"`),
    }
  }),
})

const readSortOrder = (json: JsonObject, where: string): SortOrder => ({
  orderId: numberAt(json['order-id'], `${where}."order-id"`),
  fields: listAt(json['fields'], `${where}."fields"`).map((item, index): SortField => {
    const at = `${where}.fields[${index}]`
    const field = objectAt(item, at)
    return {
      transform: textAt(field['transform'], `${at}."transform"`),
      sourceId: numberAt(field['source-id'], `${at}."source-id"`),
      direction: oneOf(field['direction'], ['asc', 'desc'], `${at}."direction"`),
      nullOrder: oneOf(field['null-order'], ['nulls-first', 'nulls-last'], `${at}."null-order"`),
    }
  }),
})

function oneOf<T extends string>(value: unknown, allowed: readonly T[], where: string): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found === undefined) throw new FieldError(`${where} must be ${allowed.join(' or ')}`)
  return found
}

function readSnapshot(json: JsonObject, where: string): Snapshot {
  const manifestList = json['manifest-list']
  if (manifestList === undefined && json['manifests'] !== undefined) {
    throw new FieldError(`${where} lists its manifests itself, as only version 1 may: expire it first`)
  }
  const summary = json['summary'] === undefined ? {} : textsAt(json['summary'], `${where}."summary"`)
  return {
    snapshotId: longAt(json['snapshot-id'], `${where}."snapshot-id"`),
    ...optionalField('parentSnapshotId', json['parent-snapshot-id'], (value) =>
      longAt(value, `${where}."parent-snapshot-id"`),
    ),
    // Snapshots taken before a table was raised to version 2 have none: the spec says 0.
    sequenceNumber:
      json['sequence-number'] === undefined ? 0n : longAt(json['sequence-number'], `${where}."sequence-number"`),
    timestampMs: numberAt(json['timestamp-ms'], `${where}."timestamp-ms"`),
    manifestList: textAt(manifestList, `${where}."manifest-list"`),
    summary: 'operation' in summary ? summary : { ...summary, operation: 'overwrite' },
    ...optionalField('schemaId', json['schema-id'], (value) => numberAt(value, `${where}."schema-id"`)),
  }
}

function readRefs(json: unknown, currentSnapshotId: bigint | null): Record<string, SnapshotRef> {
  const entries = json === undefined || json === null ? [] : Object.entries(objectAt(json, '"refs"'))
  const refs = Object.fromEntries(
    entries.map(([name, value]): [string, SnapshotRef] => {
      const where = `refs."${name}"`
      const ref = objectAt(value, where)
      const number = (key: string) => (given: unknown) => numberAt(given, `${where}."${key}"`)
      return [
        name,
        {
          snapshotId: longAt(ref['snapshot-id'], `${where}."snapshot-id"`),
          type: oneOf(ref['type'], ['branch', 'tag'], `${where}."type"`),
          ...optionalField('minSnapshotsToKeep', ref['min-snapshots-to-keep'], number('min-snapshots-to-keep')),
          ...optionalField('maxSnapshotAgeMs', ref['max-snapshot-age-ms'], number('max-snapshot-age-ms')),
          ...optionalField('maxRefAgeMs', ref['max-ref-age-ms'], number('max-ref-age-ms')),
        },
      ]
    }),
  )
  if (refs['main'] === undefined && currentSnapshotId !== null) {
    return { main: { snapshotId: currentSnapshotId, type: 'branch' }, ...refs }
  }
  return refs
}

/** What names something must name something that is there; else every reader fails later, and less clearly. */
function checkReferences(metadata: TableMetadata): void {
  const { schemas, partitionSpecs, sortOrders, snapshots, refs, currentSnapshotId, lastSequenceNumber } = metadata
  const check = (holds: boolean, reason: string): void => {
    if (!holds) throw new FieldError(reason)
  }
  const { currentSchemaId, defaultSpecId, defaultSortOrderId } = metadata
  check(
    schemas.some(({ schemaId }) => schemaId === currentSchemaId),
    `"current-schema-id" is ${currentSchemaId}, which is not among the schemas`,
  )
  check(
    partitionSpecs.some(({ specId }) => specId === defaultSpecId),
    `"default-spec-id" is ${defaultSpecId}, which is not among the partition specs`,
  )
  check(
    sortOrders.some(({ orderId }) => orderId === defaultSortOrderId),
    `"default-sort-order-id" is ${defaultSortOrderId}, which is not among the sort orders`,
  )
  const ids = new Set(snapshots.map(({ snapshotId }) => snapshotId))
  check(
    currentSnapshotId === null || ids.has(currentSnapshotId),
    `"current-snapshot-id" is ${currentSnapshotId}, which is not among the snapshots`,
  )
  for (const [name, { snapshotId }] of Object.entries(refs)) {
    check(ids.has(snapshotId), `ref "${name}" names snapshot ${snapshotId}, which is not among the snapshots`)
  }
  const main = refs['main']?.snapshotId ?? null
  check(main === currentSnapshotId, `branch main is at ${main}, but "current-snapshot-id" is ${currentSnapshotId}`)
  for (const { snapshotId, sequenceNumber } of snapshots) {
    check(
      sequenceNumber <= lastSequenceNumber,
      `snapshot ${snapshotId} has sequence number ${sequenceNumber}, beyond the last, ${lastSequenceNumber}`,
    )
  }
}

/**
 * The metadata as a file's bytes, with everything that readers insist on, also where the spec calls it optional: Spark hangs on a
 * missing last-partition-id, sort-orders or sequence-number.
 */
export function serializeTableMetadata(metadata: TableMetadata): Uint8Array {
  const json = {
    'format-version': 2,
    'table-uuid': metadata.tableUuid,
    location: metadata.location,
    'last-sequence-number': metadata.lastSequenceNumber,
    'last-updated-ms': metadata.lastUpdatedMs,
    'last-column-id': metadata.lastColumnId,
    'current-schema-id': metadata.currentSchemaId,
    schemas: metadata.schemas.map(schemaToJson),
    'default-spec-id': metadata.defaultSpecId,
    'partition-specs': metadata.partitionSpecs.map((spec) => ({
      'spec-id': spec.specId,
      fields: spec.fields.map(({ name, transform, sourceId, fieldId }) => ({
        name,
        transform,
        'source-id': sourceId,
        'field-id': fieldId,
      })),
    })),
    'last-partition-id': metadata.lastPartitionId,
    'default-sort-order-id': metadata.defaultSortOrderId,
    'sort-orders': metadata.sortOrders.map((order) => ({
      'order-id': order.orderId,
      fields: order.fields.map(({ transform, sourceId, direction, nullOrder }) => ({
        transform,
        'source-id': sourceId,
        direction,
        'null-order': nullOrder,
      })),
    })),
    properties: metadata.properties,
    'current-snapshot-id': metadata.currentSnapshotId ?? -1,
    refs: Object.fromEntries(Object.entries(metadata.refs).map(([name, ref]) => [name, refToJson(ref)])),
    snapshots: metadata.snapshots.map(snapshotToJson),
    'snapshot-log': metadata.snapshotLog.map(({ timestampMs, snapshotId }) => ({
      'timestamp-ms': timestampMs,
      'snapshot-id': snapshotId,
    })),
    'metadata-log': metadata.metadataLog.map(({ timestampMs, metadataFile }) => ({
      'timestamp-ms': timestampMs,
      'metadata-file': metadataFile,
    })),
    ...metadata.unknownFields,
  }
  return new TextEncoder().encode(stringify(json) as string)
}

const refToJson = (ref: SnapshotRef): JsonObject => ({
  'snapshot-id': ref.snapshotId,
  type: ref.type,
  ...optionalField('min-snapshots-to-keep', ref.minSnapshotsToKeep, (value) => value),
  ...optionalField('max-snapshot-age-ms', ref.maxSnapshotAgeMs, (value) => value),
  ...optionalField('max-ref-age-ms', ref.maxRefAgeMs, (value) => value),
})

const snapshotToJson = (snapshot: Snapshot): JsonObject => ({
  'sequence-number': snapshot.sequenceNumber,
  'snapshot-id': snapshot.snapshotId,
  ...optionalField('parent-snapshot-id', snapshot.parentSnapshotId, (value) => value),
  'timestamp-ms': snapshot.timestampMs,
  summary: snapshot.summary,
  'manifest-list': snapshot.manifestList,
  ...optionalField('schema-id', snapshot.schemaId, (value) => value),
})
