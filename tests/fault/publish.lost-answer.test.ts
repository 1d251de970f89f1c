// A commit whose answer is lost may have been applied or not. Taking it for lost publishes twice; taking it for done publishes nothing.
import { expect, test } from 'vitest'
import type { Catalog } from '../../src/iceberg/index.ts'
import type { Runtime } from '../../src/io/runtime.ts'
import { overrideCatalog } from '../support/override-catalog.ts'
import { salesProject } from '../support/runtime.ts'

/** A catalog that loses the answers to the given commits (counted from 1), after applying them or before. */
function losingAnswers(runtime: Runtime, at: readonly number[], applied: boolean): Runtime {
  const { catalog } = runtime
  let commits = 0
  const commit: Catalog['commit'] = async (table, change) => {
    commits += 1
    if (!at.includes(commits)) return catalog.commit(table, change)
    if (applied) await catalog.commit(table, change)
    return { status: 'unknown', cause: new Error('the connection was cut') }
  }
  return { ...runtime, catalog: overrideCatalog(catalog, { commit }) }
}

for (const applied of [true, false]) {
  for (const lost of [[1], [2], [1, 2], [1, 2, 3]]) {
    test(`answers to commits ${lost.join(', ')} lost ${applied ? 'after' : 'before'} they were applied: published once`, async () => {
      await using project = await salesProject()
      const runtime = losingAnswers(project.runtime, lost, applied)
      const staged = await project.staged('run', {}, runtime)
      const published = await project.publish(staged, runtime)
      expect(published.snapshotId).toBe(staged.snapshotId)
      expect(await project.main()).toMatchObject({ snapshotId: staged.snapshotId, snapshots: 1 })
      // A retry of the whole step, as after a worker that died with the answer.
      expect(await project.publish(staged)).toEqual({
        snapshotId: staged.snapshotId,
        published: false,
        restaged: false,
      })
      expect(await project.main()).toMatchObject({ snapshotId: staged.snapshotId, snapshots: 1 })
    })
  }
}

test('a commit that never gets an answer ends as a failure that may be retried, with main as it was or as published', async () => {
  await using project = await salesProject()
  const staged = await project.staged('run', {})
  const always = losingAnswers(
    project.runtime,
    Array.from({ length: 100 }, (_, i) => i + 1),
    false,
  )
  await expect(project.publish(staged, always)).rejects.toMatchObject({ code: 'CATALOG_UNAVAILABLE' })
  expect((await project.main()).snapshotId).toBeNull()
  await project.publish(staged)
  expect((await project.main()).snapshotId).toBe(staged.snapshotId)
})
