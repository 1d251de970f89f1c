import { expect } from 'vitest'
import { maintainTable, planMaintenance } from '../../src/io/gc/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { faultyRuntime, type FaultyRuntime } from './faulty-runtime.ts'
import { reachableFiles, warehouseFiles } from './reachable.ts'

const over = () => Promise.resolve({ state: 'over', closedMs: null } as const)

/** A runtime without faults: its clean-up does not touch the project's own catalog connection. */
export const unharmed = (runtime: Runtime): Promise<FaultyRuntime> =>
  faultyRuntime(runtime, { at: 0, kind: 'crash before' })

/** Cleans up as a project would long after, when all runs are over. */
export async function sweepLongAfter({ runtime }: FaultyRuntime): Promise<void> {
  const later: Runtime = { ...runtime, now: () => Date.now() + 30 * 86_400_000 }
  const { tables, sourceSnapshots } = await planMaintenance(later, over, {})
  for (const table of tables) {
    const request = { table, sourceSnapshots: sourceSnapshots[table] ?? [], input: {} }
    await maintainTable(later, over, request, { patienceMs: 50 })
  }
}

const isState = (path: string): boolean => path.includes('/claims/')

/** A clean-up leaves what the tables refer to, and all of it. @param where what a failure is told by */
export async function expectCleanSweep(runtime: Runtime, where: string): Promise<void> {
  await using clean = await unharmed(runtime)
  await sweepLongAfter(clean)
  await expectNoGarbage(clean.runtime, { isMeant: isState, where })
}

/** A walk of the warehouse finds exactly what its tables refer to, and what is meant to be there beside them. */
export async function expectNoGarbage(
  runtime: Runtime,
  { isMeant = () => false, where = '' }: { readonly isMeant?: (path: string) => boolean; readonly where?: string } = {},
): Promise<void> {
  const [left, reachable] = [await warehouseFiles(runtime), await reachableFiles(runtime)]
  expect(
    left.filter((path) => !reachable.has(path) && !isMeant(path)),
    where,
  ).toEqual([])
  expect(
    [...reachable].filter((path) => !left.includes(path)),
    where,
  ).toEqual([])
}
