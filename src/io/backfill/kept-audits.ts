/** What an audit would find in partitions that a run did not write, as far as that is known without reading them. */
import { auditName, type Measurement } from '../../audit/index.ts'
import type { AuditResult, BuildRecord } from '../../contract/index.ts'
import type { AuditDefinition } from '../../definition/index.ts'
import type { DataFile, Schema } from '../../iceberg/index.ts'

export interface KeptPartitions {
  /** Each one's key, and the files that the staged snapshot has of it. */
  readonly partitions: readonly (readonly [key: string, files: readonly DataFile[]])[]
  /** Their definition's data fingerprint. */
  readonly definition: string
  readonly schema: Schema
  /** Of the newest snapshot before. */
  readonly record: BuildRecord | null
}

/**
 * Null where they have to be read.
 *
 * Keys are unique where the last run's audit found so, for it took in all partitions of its definition: in those whose files are still the
 * same, unless another run published beside it. How many values are null the manifests say. A drift is of all rows.
 */
export function keptMeasurement(audit: AuditDefinition, kept: KeptPartitions): Measurement | null {
  const files = kept.partitions.flatMap(([, of]) => of)
  const rows = Number(files.reduce((sum, { recordCount }) => sum + recordCount, 0n))
  switch (audit.kind) {
    case 'unique':
      return wasUnique(kept) ? { value: rows === 0 ? null : 0, rows, baselineRows: 0 } : null
    case 'null_rate': {
      const nulls = nullsOf(files, kept.schema, audit.column)
      return nulls === null ? null : { value: rows === 0 ? null : Number(nulls) / rows, rows, baselineRows: 0 }
    }
    case 'drift':
      return null
  }
}

const unique = auditName({ kind: 'unique', blocking: true })

function wasUnique({ partitions, definition, record }: KeptPartitions): boolean {
  if (record?.definitionFingerprint.data !== definition || record.auditedSnapshotId !== record.snapshotId) return false
  const found = record.audits.some(
    (audit) => isResult(audit) && audit.name === unique && audit.status === 'pass' && (audit.value ?? 0) === 0,
  )
  return (
    found &&
    partitions.every(([key, files]) => {
      const entry = record.ledger[key]
      return (
        entry !== undefined &&
        entry.files.length === files.length &&
        files.every(({ filePath }) => entry.files.includes(filePath))
      )
    })
  )
}

const isResult = (audit: unknown): audit is Partial<AuditResult> => typeof audit === 'object' && audit !== null

function nullsOf(files: readonly DataFile[], schema: Schema, column: string): bigint | null {
  const field = schema.fields.find(({ name }) => name === column)
  // Of lists, maps and structs the metrics count the leaves.
  if (field === undefined || typeof field.type !== 'string') return null
  let nulls = 0n
  for (const { nullValueCounts } of files) {
    const count = nullValueCounts?.get(field.id)
    if (count === undefined) return null
    nulls += count
  }
  return nulls
}
