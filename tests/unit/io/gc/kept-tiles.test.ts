// A table of tiles has no runs of its own: its files are written by those of the view. A clean-up that asked only the table would delete what
// an open run is about to commit, and leave a table that names files which are gone.
import { beforeEach, expect, test } from 'vitest'
import type { MaintenanceInput, RunIdentity, TableMaintenance } from '../../../../src/contract/index.ts'
import {
  computeSlice,
  makePlan,
  planRun,
  stageSnapshot,
  tileTableIdentifier,
} from '../../../../src/io/backfill/index.ts'
import { maintainTable, planMaintenance, type RunState } from '../../../../src/io/gc/index.ts'
import type { Runtime } from '../../../../src/io/runtime.ts'
import { expectNoGarbage } from '../../../support/clean-up.ts'
import { warehouseFiles } from '../../../support/reachable.ts'
import { salesProject, type SalesProject } from '../../../support/runtime.ts'

const range = { view: 'shop_sales', from: '2024-01-02', to: '2024-01-12' }
const again = { ...range, force: true }
const tiles = 'features.shop_sales__tiles'

/** Runs that are not over; of all others it is known that they are. */
const open = new Set<string>()
beforeEach(() => open.clear())
const ask = async ({ workflowId }: RunIdentity): Promise<RunState> =>
  open.has(workflowId) ? { state: 'open' } : { state: 'over', closedMs: null }

/** The project as it is seen forty days later, when all that may go has to. */
const later = ({ runtime }: SalesProject): Runtime => ({ ...runtime, now: () => Date.now() + 40 * 86_400_000 })

async function gc(runtime: Runtime, input: MaintenanceInput = {}): Promise<Map<string, TableMaintenance>> {
  const plan = await planMaintenance(runtime, ask, input)
  const reports = new Map<string, TableMaintenance>()
  for (const table of plan.tables) {
    const request = { table, sourceSnapshots: plan.sourceSnapshots[table] ?? [], input }
    reports.set(table, await maintainTable(runtime, ask, request))
  }
  for (const report of reports.values()) expect(report).toMatchObject({ problem: null, failed: { count: 0 } })
  return reports
}

async function tiled(): Promise<SalesProject> {
  const project = await salesProject(undefined, { maintenance: { minSnapshots: 1 } })
  await project.define('3d', { features: `sales: count({ over: ['3d'] })`, view: `tiles: 'keep',` })
  return project
}

async function begun({ runtime }: SalesProject, id: string) {
  const plan = await planRun(runtime, again, { workflowId: id, executionId: id })
  for (const index of plan.slices.keys()) await computeSlice(runtime, { plan: plan.summary.plan, index })
  return plan
}

const ofTiles = (paths: readonly string[]): string[] => paths.filter((path) => path.includes('/shop_sales__tiles/'))

test('tiles that were replaced, or left by a run that died, go; those that the table shows stay', async () => {
  await using project = await tiled()
  await project.publish(await project.staged('first', {}))
  await project.sell('north,2024-01-05 10:00:00,1')
  await project.publish(await project.staged('late', {}))
  await project.sell('north,2024-01-06 10:00:00,1')
  await begun(project, 'died')
  const reports = await gc(later(project))
  expect([...reports.keys()]).toEqual(['features.shop_sales', tiles])
  expect(reports.get(tiles)?.expiredSnapshots).toHaveLength(1)
  expect(reports.get(tiles)?.garbage).toMatchObject({ 'data file': { files: 1 }, 'run file': { files: 0 } })
  expect(reports.get(tiles)?.garbage['unreferenced file'].files).toBeGreaterThan(0)
  await expectNoGarbage(project.runtime)
  const { summary } = await makePlan(project.runtime, again)
  expect(summary.tiles).toMatchObject({ windows: 10, fromTiles: 9 })
  expect([...(await gc(later(project))).values()].flatMap(({ files }) => files)).toEqual([])
})

test('what an open run has left and read stays, and is committed', async () => {
  await using project = await tiled()
  await project.publish(await project.staged('first', {}))
  await project.sell('north,2024-01-05 10:00:00,1')
  open.add('running')
  const plan = await begun(project, 'running')
  expect(plan.summary.tiles).toMatchObject({ fromTiles: 9, kept: 1 })
  const before = ofTiles(await warehouseFiles(project.runtime))
  await gc(later(project))
  expect(ofTiles(await warehouseFiles(project.runtime))).toEqual(before)
  await stageSnapshot(project.runtime, { plan: plan.summary.plan })
  expect((await makePlan(project.runtime, again)).summary.tiles).toMatchObject({ windows: 10, fromTiles: 10 })
})

test('tiles of a view that was never published go with the rest', async () => {
  await using project = await tiled()
  await begun(project, 'died')
  expect(ofTiles(await warehouseFiles(project.runtime)).length).toBeGreaterThan(0)
  await gc(later(project))
  expect(ofTiles(await warehouseFiles(project.runtime))).toEqual([])
})

test('a view that keeps no tiles any more still has its table cleaned up', async () => {
  await using project = await tiled()
  await project.publish(await project.staged('first', {}))
  await project.define('3d', { features: `sales: count({ over: ['3d'] })` })
  expect([...(await gc(later(project))).keys()]).toContain(tiles)
  await project.runtime.catalog.dropTable(tileTableIdentifier(project.runtime, 'shop_sales'))
  expect([...(await gc(later(project))).keys()]).not.toContain(tiles)
})
