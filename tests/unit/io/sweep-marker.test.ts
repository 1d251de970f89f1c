// A run that finds a finished slice which a clean-up is about to delete would publish a snapshot whose files are gone.
import { expect, test } from 'vitest'
import { claimRun } from '../../../src/io/run-store.ts'
import { announceSweep, sweepsFolder, sweepsOver } from '../../../src/io/sweep-marker.ts'
import { MemoryFiles } from '../../support/memory-warehouse.ts'
import { until } from '../../support/until.ts'

const folder = 'file:///warehouse/_hindcast/features.v'

test('a run claims its folder at once, and goes on when the clean-up is over', async () => {
  const io = new MemoryFiles(() => 0)
  let over = false
  const sweep = await announceSweep(io, folder)
  const claimed = claimRun(io, folder, { workflowId: 'run', executionId: 'run' }).then((run) => ({ run, over }))
  await until('the claim is there', () => io.paths.includes(`${folder}/run/run.json`))
  sweep.check()
  over = true
  await sweep[Symbol.asyncDispose]()
  expect(await claimed).toEqual({ run: { runId: 'run', folder: `${folder}/run` }, over: true })
  expect(io.paths.filter((path) => path.startsWith(sweepsFolder(folder)))).toEqual([])
})

test('a dead clean-up holds up nobody for long', async () => {
  const io = new MemoryFiles(() => 0)
  io.put(`${sweepsFolder(folder)}/dead`)
  await sweepsOver(io, folder, 150)
  expect(io.paths).toEqual([])
})

test('a clean-up that cannot say that it lives stops deleting', async () => {
  const io = new MemoryFiles(() => 0)
  let now = 0
  const sweep = await announceSweep(io, folder, () => now)
  io.replace = () => Promise.reject(new Error('storage is down'))
  now = 7_000
  sweep.check()
  now = 8_001
  expect(() => sweep.check()).toThrow(/could not announce itself/)
  await sweep[Symbol.asyncDispose]()
})
