import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { referenceTo, type BackfillInput, type RunIdentity } from '../../src/contract/index.ts'
import {
  computeSlice,
  planRun,
  publishSnapshot,
  stageSnapshot,
  targetIdentifier,
  type BackfillPlan,
} from '../../src/io/backfill/index.ts'
import { importFiles } from '../../src/io/import-files.ts'
import { loadSettings } from '../../src/io/project-config.ts'
import { openRuntime, type Runtime } from '../../src/io/runtime.ts'
import { tempDir } from './temp-dir.ts'

/** Features in place of the two. */
export interface OtherFeatures {
  readonly features: string
  readonly derived?: string
  /** Further members of the view. */
  readonly view?: string
}

const definition = (window: string, other?: OtherFeatures): string => `
import { avg, collectDistinct, count, countDistinct, entity, featureView, last, lastK, max, nullRate, source, sql, sum, unique } from 'hindcast'
const shop = entity({ name: 'shop', keys: { shop: 'string' } })
const sales = source({ name: 'sales', table: 'raw.sales', eventTime: 'at' })
export const shopSales = featureView({
  name: 'shop_sales', entity: shop, source: sales, every: '1d', ${other?.view ?? ''}
  features: { ${other?.features ?? `sales: count({ over: ['${window}'] }), amount: sum('amount', { over: ['${window}'] })`} },
  derived: { ${other?.derived ?? ''} },
})
`

/** A small project with twenty days of sales, and its steps without Temporal around them. */
export interface SalesProject extends AsyncDisposable {
  readonly runtime: Runtime
  /** Imports more sales: lines of `shop,at,amount`. */
  sell(...lines: readonly string[]): Promise<void>
  /** Rewrites the definition with another window. */
  define(window: string, other?: OtherFeatures): Promise<void>
  /** Plans, computes and stages a run, through `runtime` unless told otherwise. */
  staged(run: string, input: Partial<BackfillInput>, runtime?: Runtime): Promise<StagedRun>
  /** As `staged`, by another execution of the workflow id. */
  stagedAgain(run: string, execution: string, input: Partial<BackfillInput>): Promise<StagedRun>
  publish(staged: StagedRun, runtime?: Runtime): ReturnType<typeof publishSnapshot>
  /** What `main` shows: each partition's file. */
  main(): Promise<{ snapshotId: string | null; snapshots: number; refs: readonly string[] }>
}

interface StagedRun {
  readonly plan: BackfillPlan
  readonly snapshotId: string
}

let imports = 0

/**
 * @param lines of `shop,at,amount`; two sales a day for twenty days unless given
 * @param config of hindcast.config.ts
 */
export async function salesProject(lines?: readonly string[], config: object = {}): Promise<SalesProject> {
  const folder = await tempDir()
  const dir = folder.path
  await mkdir(join(dir, 'features'))
  await writeFile(join(dir, 'hindcast.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const define = (window: string, other?: OtherFeatures): Promise<void> =>
    writeFile(join(dir, 'features', 'sales.ts'), definition(window, other))
  await define('3d')
  const runtime = await openRuntime(await loadSettings(dir))

  const sell = async (...sales: readonly string[]): Promise<void> => {
    imports += 1
    const file = join(dir, `sales-${imports}.csv`)
    await writeFile(file, `shop,at,amount\n${sales.join('\n')}\n`)
    await runtime.withEngine((db, scratchDir) =>
      importFiles({
        files: [file],
        table: 'raw.sales',
        eventTime: 'at',
        catalog: runtime.catalog,
        io: runtime.io,
        tableFiles: runtime.tableFiles,
        db,
        now: runtime.now,
        newSnapshotId: () => BigInt(10_000 + imports),
        scratchDir,
      }),
    )
  }
  const days = Array.from({ length: 20 }, (_, i) => `2024-01-${String(i + 1).padStart(2, '0')}`)
  await sell(...(lines ?? days.flatMap((day, i) => [`north,${day} 10:00:00,${i}`, `south,${day} 11:00:00,${2 * i}`])))

  const stage = async (run: RunIdentity, input: Partial<BackfillInput>, through: Runtime): Promise<StagedRun> => {
    const plan = await planRun(through, { view: 'shop_sales', from: '2024-01-02', to: '2024-01-12', ...input }, run)
    for (const index of plan.slices.keys()) await computeSlice(through, { ...referenceTo(plan.summary), index })
    return { plan, snapshotId: (await stageSnapshot(through, referenceTo(plan.summary))).snapshotId }
  }

  return {
    runtime,
    sell,
    define,
    staged: (run, input, through = runtime) => stage({ workflowId: run, executionId: run }, input, through),
    stagedAgain: (run, execution, input) => stage({ workflowId: run, executionId: execution }, input, runtime),
    publish: ({ plan, snapshotId }, through = runtime) =>
      publishSnapshot(through, { ...referenceTo(plan.summary), snapshotId, audits: [], decision: null }),
    main: async () => {
      const { metadata } = await runtime.catalog.loadTable(targetIdentifier(runtime, 'shop_sales'))
      return {
        snapshotId: metadata.refs['main']?.snapshotId.toString() ?? null,
        snapshots: metadata.snapshots.length,
        refs: Object.keys(metadata.refs),
      }
    },
    [Symbol.asyncDispose]: async () => {
      await runtime.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
