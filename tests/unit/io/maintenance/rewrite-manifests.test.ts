// Rewritten manifests that lose an entry lose rows; that renumber one, bring deleted rows back or count rows anew.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EntryStatus, type ManifestEntry } from '../../../../src/iceberg/index.ts'
import { rewriteManifests } from '../../../../src/iceberg/actions/rewrite-manifests.ts'
import { expireTable } from '../../../../src/io/maintenance/expire.ts'
import { rewriteTableManifests } from '../../../../src/io/maintenance/rewrite-manifests.ts'
import { overrideCatalog } from '../../../support/override-catalog.ts'
import { History, steps, type Step } from './history.ts'

const append = (other: number): Step => ({ kind: 'append', pick: 0, other, hours: 1 })

/** What must stay of an entry, in an order that does not depend on the manifests. */
const facts = (entries: readonly { readonly entry: ManifestEntry }[]): unknown[] =>
  entries
    .map(({ entry }) => ({ ...entry, status: null }))
    .sort((a, b) => (a.dataFile.filePath < b.dataFile.filePath ? -1 : 1))

test('every entry keeps its numbers, in sorted manifests of the target size, over any history', async () => {
  const settings = fc.record({
    formatVersion: fc.constantFrom(2 as const, 3 as const),
    targetBytes: fc.integer({ min: 500, max: 20_000 }),
    content: fc.constantFrom('data' as const, 'deletes' as const, 'all' as const),
    window: fc.integer({ min: 1, max: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(steps, steps, settings, async (before, after, { formatVersion, targetBytes, content, window }) => {
      const history = await History.create(
        { 'commit.manifest-merge.enabled': 'false', 'commit.manifest.target-size-bytes': String(targetBytes) },
        formatVersion,
      )
      for (const step of before) await history.apply(step)
      const was = await history.entries()
      const totals = totalsOf(history)
      const request = { table: history.table, io: history.io, nowMs: history.nowMs, snapshotId: 5000n, content, window }
      const result = await rewriteManifests(request)
      if (result !== null) {
        await history.commit(result)
        expect(facts(await history.entries())).toEqual(facts(was))
        expect(totalsOf(history)).toEqual(totals)
        expect(history.table.metadata.snapshots.at(-1)?.summary['operation']).toBe('replace')
        const created = new Set(result.created.map(({ manifestPath }) => manifestPath))
        const rewritten = (await history.entries()).filter(({ manifest }) => created.has(manifest.manifestPath))
        expect(new Set(rewritten.map(({ entry }) => entry.status))).toEqual(new Set([EntryStatus.existing]))
        expect(rewritten.every(({ manifest }) => content === 'all' || manifest.content === content)).toBe(true)
        for (const kind of ['data', 'deletes']) {
          const days = rewritten
            .filter(({ manifest }) => manifest.content === kind)
            .map(({ entry }) => entry.dataFile.partition[0] as number)
          expect(days).toEqual(days.toSorted((a, b) => a - b))
        }
      }
      // Nothing is lost later either, when the manifests that it replaced are gone.
      for (const step of after) await history.apply(step)
      const later = await history.entries()
      history.table = (await expireTable(history.context, history.table, { olderThanMs: history.nowMs + 1 })).table
      expect(facts(await history.entries())).toEqual(facts(later))
      const needed = [...(await history.referenced())]
      expect(history.stored.filter((path) => needed.includes(path))).toEqual(needed.sort())
    }),
    { numRuns: 40 },
  )
})

const totalsOf = ({ table: { metadata } }: History): unknown => {
  const shown = metadata.snapshots.find(({ snapshotId }) => snapshotId === metadata.currentSnapshotId)
  return Object.entries(shown?.summary ?? {}).filter(([key]) => key.startsWith('total-'))
}

test('manifests are as many as the target size makes, and none is written for nothing', async () => {
  const history = await History.create({ 'commit.manifest-merge.enabled': 'false' })
  for (let index = 0; index < 12; index++) await history.apply(append(index))
  const first = await rewriteTableManifests(history.context, history.table, { snapshotId: 500n })
  expect([first.replaced.length, first.created.length]).toEqual([12, 1])
  const again = await rewriteTableManifests(history.context, first.table, { snapshotId: 501n })
  expect(again).toEqual({ table: first.table, replaced: [], created: [] })
})

test('another commit in between is kept', async () => {
  const history = await History.create({ 'commit.manifest-merge.enabled': 'false' })
  for (let index = 0; index < 3; index++) await history.apply(append(index))
  const stale = history.table
  let first = true
  const catalog = overrideCatalog(history.catalog, {
    commit: async (table, change) => {
      if (first) await history.apply(append(2))
      first = false
      return history.catalog.commit(table, change)
    },
  })
  const { table, replaced } = await rewriteTableManifests({ ...history.context, catalog }, stale, { snapshotId: 500n })
  const was = await history.entries()
  history.table = table
  expect(facts(await history.entries())).toEqual(facts(was))
  expect(replaced).toHaveLength(4)
})

test('a list that counts other files than its manifests hold is refused', async () => {
  const history = await History.create({ 'commit.manifest-merge.enabled': 'false' })
  for (let index = 0; index < 2; index++) await history.apply(append(index))
  const request = { table: history.table, io: history.io, nowMs: history.nowMs, snapshotId: 500n }
  await expect(
    rewriteManifests({ ...request, rewrites: (manifest) => Object.assign(manifest, { addedFilesCount: 7 }) !== null }),
  ).rejects.toMatchObject({ code: 'MANIFEST_INVALID' })
})
