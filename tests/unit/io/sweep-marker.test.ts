// A run that finds a finished slice which a clean-up is about to delete would publish a snapshot whose files are gone.
import { expect, test } from 'vitest'
import { claimRun } from '../../../src/io/run-store.ts'
import { announceSweep, deadSweeps, sweepsFolder, sweepsOver } from '../../../src/io/sweep-marker.ts'
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

test('of the others’ markers, a clean-up finds those that stay silent, and waits for none that live', async () => {
  const io = new MemoryFiles(() => 0)
  const [own, living, dead] = ['own', 'living', 'dead'].map((name) => `${sweepsFolder(folder)}/${name}`) as [
    string,
    string,
    string,
  ]
  for (const path of [own, living, dead, `${sweepsFolder(folder)}/.unfinished.tmp`]) io.put(path)
  let turn = 0
  const renewing = setInterval(() => io.put(living, new Uint8Array([turn++])), 20)
  const found = await deadSweeps(io, folder, { own, patienceMs: 400 })
  expect(found.map(({ path }) => path)).toEqual([dead])
  clearInterval(renewing)
  const watching = new AbortController()
  const endless = deadSweeps(io, folder, { own, patienceMs: 600_000, signal: watching.signal })
  watching.abort(new Error('over'))
  await expect(endless).rejects.toThrow('over')
})

test('alone, a clean-up waits for nobody', async () => {
  const io = new MemoryFiles(() => 0)
  await using own = await announceSweep(io, folder)
  expect(await deadSweeps(io, folder, { own: own.marker, patienceMs: 600_000 })).toEqual([])
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
