import { HindcastError, isHindcastError, summaryKeys } from '../../contract/index.ts'
import {
  evolveSchema,
  highestFieldId,
  mapConcurrently,
  overwritePartitions,
  planScan,
  type DetachedManifest,
  type Schema,
  type Table,
  type TableChange,
} from '../../iceberg/index.ts'
import { commitChange } from '../commit.ts'
import { readJson, toJsonBytes } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { snapshotIdOf } from '../snapshot-id.ts'
import { areWhole } from './partition-files.ts'
import type { BackfillPlan } from './plan.ts'
import { sliceResultPath } from './slice-address.ts'
import { decodeManifestFacts, parseSliceResult } from './slice-result.ts'
import { plainSchema } from './source-scan.ts'
import { loadIfExists, mainHead } from './target.ts'
import { isTileTable, tileSpec, tileTableIdentifier, tileTableProperties } from './tile-table.ts'

/** What became of the tiles that a run's slices left. */
export interface TilesOutcome {
  /** Partitions of the table of tiles that are the run's now. */
  readonly partitions: number
  /** Why others are not. */
  readonly problems: readonly string[]
}

/**
 * Commits what a run's slices left as tiles, in one snapshot on the `main` of their table, and notes in tiles.json what became of them.
 * Doing it again changes nothing. Tiles save work and are no result: whatever keeps them from being committed, the run goes on without.
 */
export async function commitTiles(runtime: Runtime, plan: BackfillPlan): Promise<TilesOutcome | null> {
  if (plan.tiles === undefined) return null
  const problems: string[] = []
  let partitions = 0
  try {
    partitions = await commit(runtime, plan, plan.tiles, problems)
  } catch (error) {
    if (!isHindcastError(error)) throw error
    problems.push(error.message)
  }
  const outcome = { partitions, problems }
  await runtime.io.replace(`${plan.run.folder}/tiles.json`, toJsonBytes(outcome))
  return outcome
}

interface LeftTiles {
  readonly manifest: DetachedManifest
  readonly files: readonly { readonly ordinal: number; readonly path: string }[]
}

async function commit(
  runtime: Runtime,
  plan: BackfillPlan,
  tiles: NonNullable<BackfillPlan['tiles']>,
  problems: string[],
): Promise<number> {
  const left = await leftTiles(runtime, plan, problems)
  const files = left.flatMap((one) => one.files)
  if (files.length === 0) return 0
  const found = await ensureTileTable(runtime, plan, tiles.schema)
  const { definition } = plan
  const isDone = async (table: Table): Promise<boolean> => {
    const head = mainHead(table.metadata)
    if (head === null) return false
    const { tasks } = await planScan({ table, io: runtime.tableFiles(table), snapshotId: head })
    const live = new Set(tasks.map(({ dataFile }) => dataFile.filePath))
    return files.every(({ path }) => live.has(path))
  }
  if (await isDone(found)) return files.length
  const paths = files.map(({ path }) => path)
  const snapshotOn = (head: bigint | null): bigint =>
    snapshotIdOf([plan.summary.runId, paths, head?.toString() ?? null])
  const ours = new Set<bigint>()
  await commitChange(
    runtime,
    found,
    async (table) => {
      requireShape(plan, table, tiles.schema)
      const head = mainHead(table.metadata)
      const snapshotId = snapshotOn(head)
      ours.add(snapshotId)
      const { change } = await overwritePartitions({
        table,
        io: runtime.tableFiles(table),
        base: head,
        branch: 'main',
        specId: table.metadata.defaultSpecId,
        partitions: files.map(({ ordinal }) => [ordinal]),
        manifests: left.map(({ manifest }) => manifest),
        snapshotId,
        nowMs: runtime.now(),
        schemaId: tiles.schema.schemaId,
        summary: { [summaryKeys.runId]: plan.summary.runId, [summaryKeys.view]: definition.name },
      })
      return { change: withSchema(table, tiles.schema, change) }
    },
    ({ metadata }) => metadata.snapshots.some(({ snapshotId }) => ours.has(snapshotId)),
  )
  return files.length
}

/** The manifests that the plan's slices left and that are whole: a slice that another run computed may have left others, or none. */
async function leftTiles(runtime: Runtime, plan: BackfillPlan, problems: string[]): Promise<LeftTiles[]> {
  const io = await runtime.filesOf(tileTableIdentifier(runtime, plan.definition.name))
  const keepers = plan.slices.filter(({ tiles }) => tiles !== undefined && tiles.keep.length > 0)
  const found = await mapConcurrently(keepers, 8, async (slice): Promise<LeftTiles | null> => {
    const path = sliceResultPath(plan.runsFolder, slice)
    const { tiles } = parseSliceResult(await readJson(runtime.io, path), path)
    if (tiles === undefined) return null
    if ('problem' in tiles) {
      problems.push(tiles.problem)
      return null
    }
    const { manifest, files } = tiles
    const wanted = new Map((slice.tiles?.keep ?? []).map((kept) => [kept.ordinal, kept.path]))
    if (!files.every((file) => wanted.get(file.ordinal) === file.path)) return null
    if (!(await areWhole(io, files, manifest))) return null
    return { manifest: decodeManifestFacts(manifest), files }
  })
  return found.filter((one) => one !== null)
}

async function ensureTileTable(runtime: Runtime, plan: BackfillPlan, schema: Schema): Promise<Table> {
  const identifier = tileTableIdentifier(runtime, plan.definition.name)
  const found = await loadIfExists(runtime, identifier)
  if (found !== null) {
    requireShape(plan, found, schema)
    return found
  }
  return runtime.catalog
    .createTable(identifier, {
      schema,
      spec: tileSpec(plan.definition, schema),
      location: plan.tiles?.location ?? '',
      properties: tileTableProperties(plan.definition.name),
    })
    .catch(async (error: unknown) => {
      const other = await loadIfExists(runtime, identifier)
      if (other === null) throw error
      requireShape(plan, other, schema)
      return other
    })
}

/** The plan's column ids must be the table's: files written by others' ids would show values under another meaning. */
function requireShape(plan: BackfillPlan, table: Table, schema: Schema): void {
  const evolved = plainSchema(evolveSchema(table.metadata, schema))
  const isSame =
    isTileTable(table, plan.definition) &&
    table.metadata.location === plan.tiles?.location &&
    JSON.stringify(evolved) === JSON.stringify(schema)
  if (isSame) return
  throw new HindcastError('CONFLICT', `${plan.tiles?.table ?? ''} changed since this run was planned`)
}

/** The new schema becomes the table's current one: every column of the old is in it. */
function withSchema(table: Table, schema: Schema, change: TableChange): TableChange {
  const { metadata } = table
  const { schemaId } = schema
  if (metadata.currentSchemaId === schemaId) return change
  const isKnown = metadata.schemas.some((one) => one.schemaId === schemaId)
  const lastColumnId = Math.max(metadata.lastColumnId, highestFieldId(schema))
  return {
    requirements: [
      ...change.requirements,
      { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
    ],
    updates: [
      ...(isKnown ? [] : [{ action: 'add-schema' as const, schema, lastColumnId }]),
      { action: 'set-current-schema' as const, schemaId },
      ...change.updates,
    ],
  }
}
