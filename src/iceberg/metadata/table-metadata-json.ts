/** Table metadata files of versions 1 to 3: https://iceberg.apache.org/spec/#table-metadata-and-snapshots */
import { createHash } from 'node:crypto'
import { HindcastError } from '../../contract/index.ts'
import { parseSchema, schemaToJson } from '../types/types.ts'
import { TypeSyntaxError } from '../types/primitive-types.ts'
import type { Schema } from '../types/schema.ts'
import {
  countAt,
  FieldError,
  intAt,
  longAt,
  objectAt,
  objectsAt,
  textAt,
  textsAt,
  timeAt,
  unknownIn,
  type JsonObject,
} from './json-fields.ts'
import { jsonBytes, parseJsonBytes } from './json-text.ts'
import { checkReferences } from './references.ts'
import { readRefs, readSnapshot, refToJson, snapshotToJson } from './snapshot-json.ts'
import {
  FIRST_PARTITION_FIELD_ID,
  readPartitionFields,
  readSortOrder,
  readSpec,
  sortOrderToJson,
  specToJson,
} from './spec-json.ts'
import { readStatistics, statisticsToJson } from './statistics-json.ts'
import { refuseEncrypted, refuseVersion } from './supported.ts'
import type { FormatVersion, PartitionSpec, SortOrder, TableMetadata } from './table-metadata.ts'

const knownKeys: ReadonlySet<string> = new Set([
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
  'statistics',
  'partition-statistics',
  'next-row-id',
  // Version 1's copies of what the lists above say: later versions don't write them, and kept they would go stale.
  'schema',
  'partition-spec',
])

/**
 * Parses a metadata file, plain or gzipped. Ids of 64 bits survive whole, and fields that are not known here are kept.
 * @param location names the file in errors
 * @throws METADATA_INVALID with the file and the reason; FEATURE_UNSUPPORTED for a newer format version and for encrypted tables
 */
export const parseTableMetadata = (bytes: Uint8Array, location: string): TableMetadata =>
  named(location, () => read(objectAt(parseJsonBytes(bytes), 'the document'), location))

/** As `parseTableMetadata`, from the value that a lossless JSON parser made of it: REST catalogs send it inside of another document. */
export const tableMetadataFromJson = (json: unknown, location: string): TableMetadata =>
  named(location, () => read(objectAt(json, 'the metadata'), location))

function named<T>(location: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof TypeSyntaxError)) throw error
    // A reason may quote names, and a name may be as long as the file.
    const reason = error.message.length <= 500 ? error.message : `${error.message.slice(0, 500)}…`
    throw new HindcastError('METADATA_INVALID', `table metadata ${location} cannot be read: ${reason}`, {
      hint: 'Point the catalog at an older metadata file of the table (its metadata folder keeps them), or restore this one.',
      context: { path: location },
      cause: error,
    })
  }
}

function read(json: JsonObject, location: string): TableMetadata {
  const formatVersion = versionOf(json, location)
  const properties = json['properties'] === undefined ? {} : textsAt(json['properties'], '"properties"')
  refuseEncrypted(json, properties, location)
  const currentId = json['current-snapshot-id']
  const currentSnapshotId =
    currentId === undefined || currentId === null || currentId === -1
      ? null
      : longAt(currentId, '"current-snapshot-id"')
  const metadata: TableMetadata = {
    formatVersion,
    ...readLayout(json, formatVersion),
    lastUpdatedMs: timeAt(json['last-updated-ms'], '"last-updated-ms"'),
    properties,
    currentSnapshotId,
    snapshots: objectsAt(json['snapshots'], 'snapshots', readSnapshot),
    snapshotLog: objectsAt(json['snapshot-log'], 'snapshot-log', (entry, where) => ({
      snapshotId: longAt(entry['snapshot-id'], `${where}."snapshot-id"`),
      timestampMs: timeAt(entry['timestamp-ms'], `${where}."timestamp-ms"`),
    })),
    metadataLog: objectsAt(json['metadata-log'], 'metadata-log', (entry, where) => ({
      metadataFile: textAt(entry['metadata-file'], `${where}."metadata-file"`),
      timestampMs: timeAt(entry['timestamp-ms'], `${where}."timestamp-ms"`),
    })),
    refs: readRefs(json['refs'], currentSnapshotId),
    statistics: objectsAt(json['statistics'], 'statistics', readStatistics),
    partitionStatistics: objectsAt(json['partition-statistics'], 'partition-statistics', readStatistics),
    nextRowId: formatVersion === 3 ? countAt(json['next-row-id'], '"next-row-id"') : 0n,
    unknownFields: unknownIn(json, knownKeys).unknownFields ?? {},
  }
  checkReferences(metadata)
  return metadata
}

function versionOf(json: JsonObject, location: string): FormatVersion {
  const version = json['format-version']
  if (version === 1 || version === 2 || version === 3) return version
  if (typeof version === 'number' && version > 3) throw refuseVersion(location, version)
  throw new FieldError('"format-version" must be 1, 2 or 3')
}

type Layout = Pick<
  TableMetadata,
  | 'tableUuid'
  | 'location'
  | 'lastSequenceNumber'
  | 'lastColumnId'
  | 'currentSchemaId'
  | 'schemas'
  | 'defaultSpecId'
  | 'partitionSpecs'
  | 'lastPartitionId'
  | 'defaultSortOrderId'
  | 'sortOrders'
>

/** The part that version 1 leaves out or has in another form. */
function readLayout(json: JsonObject, version: FormatVersion): Layout {
  const location = textAt(json['location'], '"location"')
  const before2 = (key: string): boolean => version === 1 && (json[key] === undefined || json[key] === null)
  const schemas = before2('schemas')
    ? [readSchema(objectAt(json['schema'], '"schema"'), 'schema')]
    : requiredList(json, 'schemas', readSchema)
  const partitionSpecs: readonly PartitionSpec[] = before2('partition-specs')
    ? [{ specId: 0, fields: readPartitionFields(json['partition-spec'], 'partition-spec') }]
    : requiredList(json, 'partition-specs', readSpec)
  const sortOrders: readonly SortOrder[] = before2('sort-orders')
    ? [{ orderId: 0, fields: [] }]
    : requiredList(json, 'sort-orders', readSortOrder)
  const idOr = (key: string, fallback: number): number => (before2(key) ? fallback : intAt(json[key], `"${key}"`))
  return {
    location,
    tableUuid: before2('table-uuid') ? uuidFrom(location) : textAt(json['table-uuid'], '"table-uuid"'),
    lastSequenceNumber: version === 1 ? 0n : countAt(json['last-sequence-number'], '"last-sequence-number"'),
    lastColumnId: intAt(json['last-column-id'], '"last-column-id"'),
    schemas,
    currentSchemaId: idOr('current-schema-id', schemas[0]?.schemaId ?? 0),
    partitionSpecs,
    defaultSpecId: idOr('default-spec-id', 0),
    lastPartitionId: idOr('last-partition-id', highestPartitionFieldId(partitionSpecs)),
    sortOrders,
    defaultSortOrderId: idOr('default-sort-order-id', 0),
  }
}

function requiredList<T>(json: JsonObject, key: string, readItem: (item: JsonObject, where: string) => T): T[] {
  if (json[key] === undefined || json[key] === null) throw new FieldError(`"${key}" must be a list`)
  return objectsAt(json[key], key, readItem)
}

/** The highest id that a partition field has in any of the specs; 999 when there are none. */
export const highestPartitionFieldId = (specs: readonly PartitionSpec[]): number =>
  specs
    .flatMap(({ fields }) => fields)
    .reduce((highest, { fieldId }) => Math.max(highest, fieldId), FIRST_PARTITION_FIELD_ID - 1)

/** Version 1 may lack a uuid: one made from the location is the same at every load, until a commit writes it down. */
function uuidFrom(location: string): string {
  const digits = createHash('sha256').update(location).digest('hex')
  const variant = (8 + (Number.parseInt(digits.slice(16, 17), 16) % 4)).toString(16)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`
}

function readSchema(json: JsonObject, where: string): Schema {
  try {
    return parseSchema(json)
  } catch (error) {
    throw error instanceof TypeSyntaxError ? new FieldError(`${where}: ${error.message}`) : error
  }
}

/**
 * The metadata as a file's bytes in the table's own version, with everything that readers insist on, also where the spec calls it
 * optional: Spark hangs on a missing last-partition-id, sort-orders or sequence-number.
 * @throws FEATURE_UNSUPPORTED for version 1, which is not written
 */
export const serializeTableMetadata = (metadata: TableMetadata): Uint8Array => jsonBytes(tableMetadataToJson(metadata))

/** As `serializeTableMetadata`, as a value for a lossless JSON writer. */
export function tableMetadataToJson(metadata: TableMetadata): JsonObject {
  const { formatVersion } = metadata
  if (formatVersion === 1) {
    throw new HindcastError(
      'FEATURE_UNSUPPORTED',
      `the table ${metadata.location} has format version 1, which is only read`,
      {
        hint: "Raise it to version 2 first (Spark: ALTER TABLE … SET TBLPROPERTIES ('format-version' = '2')); its files stay as they are.",
        context: { location: metadata.location, formatVersion },
      },
    )
  }
  return {
    'format-version': formatVersion,
    'table-uuid': metadata.tableUuid,
    location: metadata.location,
    'last-sequence-number': metadata.lastSequenceNumber,
    'last-updated-ms': metadata.lastUpdatedMs,
    'last-column-id': metadata.lastColumnId,
    'current-schema-id': metadata.currentSchemaId,
    schemas: metadata.schemas.map(schemaToJson),
    'default-spec-id': metadata.defaultSpecId,
    'partition-specs': metadata.partitionSpecs.map(specToJson),
    'last-partition-id': metadata.lastPartitionId,
    'default-sort-order-id': metadata.defaultSortOrderId,
    'sort-orders': metadata.sortOrders.map(sortOrderToJson),
    properties: metadata.properties,
    // Java's library writes -1 for none up to version 2, and null from 3 on.
    'current-snapshot-id': metadata.currentSnapshotId ?? (formatVersion === 2 ? -1 : null),
    'next-row-id': formatVersion === 2 ? undefined : metadata.nextRowId,
    refs: Object.fromEntries(Object.entries(metadata.refs).map(([name, ref]) => [name, refToJson(ref)])),
    snapshots: metadata.snapshots.map(snapshotToJson),
    statistics: metadata.statistics.map(statisticsToJson),
    'partition-statistics': metadata.partitionStatistics.map(statisticsToJson),
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
}
