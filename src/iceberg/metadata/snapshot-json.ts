/** Snapshots and refs as JSON: https://iceberg.apache.org/spec/#table-metadata-and-snapshots */
import {
  countAt,
  FieldError,
  intAt,
  listAt,
  longAt,
  objectAt,
  oneOf,
  optionalField,
  textAt,
  textsAt,
  timeAt,
  unknownIn,
  type JsonObject,
} from './json-fields.ts'
import type { Snapshot, SnapshotRef } from './table-metadata.ts'

const snapshotKeys = new Set([
  'snapshot-id',
  'parent-snapshot-id',
  'sequence-number',
  'timestamp-ms',
  'manifest-list',
  'manifests',
  'summary',
  'schema-id',
  'first-row-id',
  'added-rows',
])

const refKeys = new Set(['snapshot-id', 'type', 'min-snapshots-to-keep', 'max-snapshot-age-ms', 'max-ref-age-ms'])

export function readSnapshot(json: JsonObject, where: string): Snapshot {
  const at = (key: string): string => `${where}."${key}"`
  const summary = json['summary'] === undefined ? {} : textsAt(json['summary'], at('summary'))
  return {
    snapshotId: longAt(json['snapshot-id'], at('snapshot-id')),
    ...optionalField('parentSnapshotId', json['parent-snapshot-id'], (value) =>
      longAt(value, at('parent-snapshot-id')),
    ),
    // Snapshots taken before a table was raised to version 2 have none: the spec says 0.
    sequenceNumber:
      json['sequence-number'] === undefined ? 0n : countAt(json['sequence-number'], at('sequence-number')),
    timestampMs: timeAt(json['timestamp-ms'], at('timestamp-ms')),
    ...readManifests(json, where),
    summary: Object.hasOwn(summary, 'operation') ? summary : { ...summary, operation: 'overwrite' },
    ...optionalField('schemaId', json['schema-id'], (value) => intAt(value, at('schema-id'))),
    ...optionalField('firstRowId', json['first-row-id'], (value) => countAt(value, at('first-row-id'))),
    ...optionalField('addedRows', json['added-rows'], (value) => countAt(value, at('added-rows'))),
    ...unknownIn(json, snapshotKeys),
  }
}

/** A manifest list, or the manifests themselves as the first writers of version 1 put them down. */
function readManifests(
  json: JsonObject,
  where: string,
): { readonly manifestList: string; readonly manifests?: readonly string[] } {
  const { 'manifest-list': list, manifests } = json
  if (list !== undefined || manifests === undefined) {
    return { manifestList: textAt(list, `${where}."manifest-list"`) }
  }
  const paths = listAt(manifests, `${where}."manifests"`).map((path) => textAt(path, `${where}."manifests"`))
  return { manifestList: '', manifests: paths }
}

export const snapshotToJson = (snapshot: Snapshot): JsonObject => ({
  'sequence-number': snapshot.sequenceNumber,
  'snapshot-id': snapshot.snapshotId,
  'parent-snapshot-id': snapshot.parentSnapshotId,
  'timestamp-ms': snapshot.timestampMs,
  summary: snapshot.summary,
  ...(snapshot.manifests === undefined
    ? { 'manifest-list': snapshot.manifestList }
    : { manifests: snapshot.manifests }),
  'schema-id': snapshot.schemaId,
  'first-row-id': snapshot.firstRowId,
  'added-rows': snapshot.addedRows,
  ...snapshot.unknownFields,
})

/** The refs, with the `main` that the spec says is always there where the table shows a snapshot. */
export function readRefs(json: unknown, currentSnapshotId: bigint | null): Record<string, SnapshotRef> {
  const entries = json === undefined || json === null ? [] : Object.entries(objectAt(json, '"refs"'))
  const refs = entries.map(([name, value]) => [name, readRef(objectAt(value, `refs."${name}"`), `refs."${name}"`)])
  if (currentSnapshotId !== null && !entries.some(([name]) => name === 'main')) {
    refs.unshift(['main', { snapshotId: currentSnapshotId, type: 'branch' }])
  }
  return Object.fromEntries(refs) as Record<string, SnapshotRef>
}

function readRef(json: JsonObject, where: string): SnapshotRef {
  const positive = (key: string) => (given: unknown) => {
    const number = longAt(given, `${where}."${key}"`)
    // A period or count of nothing would let everything expire.
    if (number <= 0n) throw new FieldError(`${where}."${key}" must be above 0`)
    // "For ever" is written as 2^63 - 1, which no double holds: 2^53 - 1 milliseconds are as good.
    return Math.min(Number(number), Number.MAX_SAFE_INTEGER)
  }
  return {
    snapshotId: longAt(json['snapshot-id'], `${where}."snapshot-id"`),
    type: oneOf(json['type'], ['branch', 'tag'], `${where}."type"`),
    ...optionalField('minSnapshotsToKeep', json['min-snapshots-to-keep'], positive('min-snapshots-to-keep')),
    ...optionalField('maxSnapshotAgeMs', json['max-snapshot-age-ms'], positive('max-snapshot-age-ms')),
    ...optionalField('maxRefAgeMs', json['max-ref-age-ms'], positive('max-ref-age-ms')),
    ...unknownIn(json, refKeys),
  }
}

export const refToJson = (ref: SnapshotRef): JsonObject => ({
  'snapshot-id': ref.snapshotId,
  type: ref.type,
  'min-snapshots-to-keep': ref.minSnapshotsToKeep,
  'max-snapshot-age-ms': ref.maxSnapshotAgeMs,
  'max-ref-age-ms': ref.maxRefAgeMs,
  ...ref.unknownFields,
})
