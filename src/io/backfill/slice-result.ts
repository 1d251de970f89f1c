import { z } from 'zod'
import { HindcastError } from '../../contract/index.ts'
import type { DetachedManifest } from '../../iceberg/index.ts'

const base64 = z.string()
const summarySchema = z.strictObject({
  containsNull: z.boolean(),
  containsNaN: z.boolean().optional(),
  lowerBound: base64.optional(),
  upperBound: base64.optional(),
})

const manifestSchema = z.strictObject({
  manifestPath: z.string(),
  manifestLength: z.string(),
  partitionSpecId: z.int(),
  addedFilesCount: z.int(),
  addedRowsCount: z.string(),
  partitions: z.array(summarySchema).optional(),
})

const sliceResultSchema = z.strictObject({
  version: z.literal(1),
  manifest: manifestSchema.nullable(),
  files: z.array(z.strictObject({ ordinal: z.int(), path: z.string(), rows: z.int(), bytes: z.int() })),
  rejectedRows: z.int(),
  /** Tiles that it left, for their table; or why it could not. */
  tiles: z
    .union([
      z.strictObject({
        manifest: manifestSchema,
        files: z.array(z.strictObject({ ordinal: z.int(), path: z.string(), bytes: z.int() })),
      }),
      z.strictObject({ problem: z.string() }),
    ])
    .optional(),
})

/** What a finished slice left at its address; `manifest` is null when no partition of it has a row. */
export type SliceResult = z.infer<typeof sliceResultSchema>

export function parseSliceResult(value: unknown, path: string): SliceResult {
  const parsed = sliceResultSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new HindcastError('METADATA_INVALID', `${path} is not a slice result`, {
    hint: 'Delete the file and run again: the slice is then computed anew.',
    cause: parsed.error,
  })
}

export function encodeManifestFacts(manifest: DetachedManifest): NonNullable<SliceResult['manifest']> {
  return {
    manifestPath: manifest.manifestPath,
    manifestLength: manifest.manifestLength.toString(),
    partitionSpecId: manifest.partitionSpecId,
    addedFilesCount: manifest.addedFilesCount,
    addedRowsCount: manifest.addedRowsCount.toString(),
    ...(manifest.partitions === undefined
      ? {}
      : {
          partitions: manifest.partitions.map(({ containsNull, containsNaN, lowerBound, upperBound }) => ({
            containsNull,
            ...(containsNaN === undefined ? {} : { containsNaN }),
            ...(lowerBound === undefined ? {} : { lowerBound: Buffer.from(lowerBound).toString('base64') }),
            ...(upperBound === undefined ? {} : { upperBound: Buffer.from(upperBound).toString('base64') }),
          })),
        }),
  }
}

export function decodeManifestFacts(facts: NonNullable<SliceResult['manifest']>): DetachedManifest {
  return {
    manifestPath: facts.manifestPath,
    manifestLength: BigInt(facts.manifestLength),
    partitionSpecId: facts.partitionSpecId,
    content: 'data',
    addedFilesCount: facts.addedFilesCount,
    existingFilesCount: 0,
    deletedFilesCount: 0,
    addedRowsCount: BigInt(facts.addedRowsCount),
    existingRowsCount: 0n,
    deletedRowsCount: 0n,
    ...(facts.partitions === undefined
      ? {}
      : {
          partitions: facts.partitions.map(({ containsNull, containsNaN, lowerBound, upperBound }) => ({
            containsNull,
            ...(containsNaN === undefined ? {} : { containsNaN }),
            ...(lowerBound === undefined ? {} : { lowerBound: Buffer.from(lowerBound, 'base64') }),
            ...(upperBound === undefined ? {} : { upperBound: Buffer.from(upperBound, 'base64') }),
          })),
        }),
  }
}
