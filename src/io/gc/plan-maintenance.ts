import { z } from 'zod'
import { summaryKeys, type MaintenanceInput, type MaintenancePlan } from '../../contract/index.ts'
import { ancestorsOf, qualifiedName, type Table } from '../../iceberg/index.ts'
import { loadIfExists, tileTableIdentifier } from '../backfill/index.ts'
import { tableIdentifier } from '../catalog-names.ts'
import { loadDefinitions } from '../project.ts'
import { readJsonOrNull, runsFolder } from '../run-store.ts'
import type { Runtime } from '../runtime.ts'
import { keptByRuns } from './kept-by-runs.ts'
import { madeFrom } from './retention.ts'
import { readRunsFolder, type AskRun } from './run-folders.ts'

/**
 * Which tables a clean-up is about, and which of their snapshots feature tables rest on: their published snapshots, to be reproduced, and
 * what open runs read. What a run that starts later reads, `main` showed not long ago, and that stays anyway.
 * @throws TABLE_NOT_FOUND for a table that was asked for and is neither in the catalog nor a view's; DEFINITION_INVALID
 */
export async function planMaintenance(
  runtime: Runtime,
  ask: AskRun,
  { tables }: MaintenanceInput,
): Promise<MaintenancePlan> {
  const { namespace } = runtime.settings.config
  const { views } = await loadDefinitions(runtime.settings)
  const present = await tablesOf(runtime, namespace)
  const tilesOf = (view: string): string[] => {
    const name = qualifiedName(tileTableIdentifier(runtime, view))
    return views.get(view)?.definition.tiles !== undefined || present.includes(name) ? [name] : []
  }
  const ofViews = [...views.keys()].flatMap((view) => [`${namespace}.${view}`, ...tilesOf(view)])
  const featureTables = [...new Set([...ofViews, ...present])].sort()
  const chosen = [...new Set(tables ?? ofViews)].sort()
  for (const name of chosen) {
    // A view that was never published has no table yet, but may have left files.
    if (!ofViews.includes(name)) await runtime.catalog.loadTable(tableIdentifier(name))
  }
  const sourceSnapshots = new Map<string, Set<string>>()
  const keep = (table: string, id: string): void => {
    if (!chosen.includes(table)) return
    const ids = sourceSnapshots.get(table) ?? new Set()
    sourceSnapshots.set(table, ids.add(id))
  }
  for (const name of featureTables) {
    const table = await loadIfExists(runtime, tableIdentifier(name))
    if (table !== null) {
      for (const [source, id] of madeFrom(table.metadata)) keep(source, id)
      for (const [source, id] of await pinnedBy(runtime, table)) keep(source, id)
    }
    const folder = await readRunsFolder(runtime.io, runsFolder(runtime.warehouse, name), ask)
    const { snapshots } = await keptByRuns({
      io: runtime.io,
      runs: folder.runs.filter(({ state }) => state !== 'over'),
      sliceResults: [],
      sinceMs: 0,
    })
    for (const [source, ids] of snapshots) for (const id of ids) keep(source, id.toString())
  }
  return {
    tables: chosen,
    sourceSnapshots: Object.fromEntries([...sourceSnapshots].map(([table, ids]) => [table, [...ids].sort()])),
  }
}

async function tablesOf(runtime: Runtime, namespace: string): Promise<string[]> {
  return (await runtime.catalog.listTables([namespace])).map(qualifiedName)
}

const pinsSchema = z.object({ pins: z.array(z.object({ sources: z.record(z.string(), z.string()) })) })

/** What the partitions that `main` shows were read from, partly long ago: late data is found by comparing with it. */
async function pinnedBy(runtime: Runtime, { metadata }: Table): Promise<(readonly [string, string])[]> {
  const shown = ancestorsOf(metadata, metadata.refs['main']?.snapshotId ?? null)
  const [record] = shown.flatMap(({ summary }) => summary[summaryKeys.record] ?? [])
  const pins = record === undefined ? null : await readJsonOrNull(runtime.io, record, pinsSchema)
  return (pins?.pins ?? []).flatMap(({ sources }) => Object.entries(sources))
}
