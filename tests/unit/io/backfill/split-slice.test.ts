// A slice that the engine's memory does not hold is computed in parts: the same files to the byte, each partition once and in its place.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HindcastError, type PlannedSlice } from '../../../../src/contract/index.ts'
import { computeByKeys } from '../../../../src/io/backfill/compute-by-keys.ts'
import { computeFiles, type SliceFiles } from '../../../../src/io/backfill/slice-files.ts'
import { computeInParts, splitting } from '../../../../src/io/backfill/split-slice.ts'
import { openRuntime } from '../../../../src/io/runtime.ts'
import { salesProject } from '../../../support/runtime.ts'

const outOfMemory = (): HindcastError => new HindcastError('ENGINE_OUT_OF_MEMORY', 'the engine ran out of memory')

const sliceOf = (count: number): PlannedSlice => ({
  address: 'a',
  partitions: Array.from({ length: count }, (_, ordinal) => ({ ordinal, key: `p${ordinal}`, path: `p${ordinal}` })),
  files: [],
  inputRows: 0,
  inputBytes: 0,
})

test('whatever the partitions need, each is computed once, in order, in no more parts than it takes', async () => {
  const megabytes = fc.integer({ min: 1, max: 900 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(megabytes, { minLength: 1, maxLength: 24 }),
      megabytes,
      fc.integer({ min: 0, max: 3 }),
      async (needs, memory, halvings) => {
        const fits = ({ partitions }: PlannedSlice, of = 1): boolean =>
          partitions.reduce((sum, { ordinal }) => sum + (needs[ordinal] ?? 0), 0) / of <= memory
        const filesOf = ({ partitions }: PlannedSlice): SliceFiles => ({
          files: partitions.map(({ path }) => ({ filePath: path }) as SliceFiles['files'][number]),
          rejectedRows: partitions.length,
          tiles: null,
        })
        const computations = {
          whole: (part: PlannedSlice) => (fits(part) ? Promise.resolve(filesOf(part)) : Promise.reject(outOfMemory())),
          byKeys: (part: PlannedSlice, of: number) =>
            fits(part, of) ? Promise.resolve(filesOf(part)) : Promise.reject(outOfMemory()),
        }
        const slice = sliceOf(needs.length)
        const result = splitting(slice, computations, { halvings })
        const tooLarge = needs.findIndex((need) => need / 256 > memory)
        if (tooLarge >= 0) {
          await expect(result).rejects.toMatchObject({
            code: 'ENGINE_OUT_OF_MEMORY',
            context: { partition: `p${tooLarge}` },
          })
          return
        }
        const { files, rejectedRows, parts } = await result
        expect(files.map(({ filePath }) => filePath)).toEqual(slice.partitions.map(({ path }) => path))
        expect(rejectedRows).toBe(needs.length)
        if (halvings === 0) expect(parts === 1).toBe(fits(slice))
      },
    ),
  )
})

const features = {
  features: `
    sales: count({ over: ['3d', 'lifetime'] }), amount: sum('amount', { over: ['3d'] }), average: avg('amount', { over: ['5d'] }),
    latest: last('amount', { over: ['4d'] }), most: max('amount', { over: ['2d'] })`,
}
const lines = Array.from({ length: 400 }, (_, i) => {
  const day = String(1 + (i % 20)).padStart(2, '0')
  return `${i % 7 === 0 ? '' : `shop ${i % 13}`},2024-01-${day} ${String(i % 24).padStart(2, '0')}:00:00,${i / 3}`
})

test('halves of a slice, and shares of a partition’s entities, leave the very files of the whole', async () => {
  await using project = await salesProject(lines)
  await project.define('3d', features)
  const { runtime } = project
  const { plan } = await project.staged('run', {})
  const [slice] = plan.slices
  if (slice === undefined) throw new Error('no slice')
  expect(slice.partitions.length).toBe(10)
  const whole = await computeFiles(runtime, plan, slice, { threads: 1 })
  expect(whole.rejectedRows).toBeGreaterThan(0)

  const halved = await computeInParts(runtime, plan, slice, { attempt: 5 })
  expect(halved).toMatchObject({ files: whole.files, rejectedRows: whole.rejectedRows, parts: 8 })

  // Its first days, each as four shares.
  for (const [index, partition] of slice.partitions.slice(0, 3).entries()) {
    const part = { ...slice, partitions: [partition] }
    const alone = await computeFiles(runtime, plan, part, { threads: 1 })
    const shared = await computeByKeys(runtime, plan, part, 4, { threads: 2 })
    expect(shared).toEqual({ ...alone, files: whole.files.slice(index, index + 1) })
  }
})

test('a partition that carries columns over is computed anew in shares, to the same bytes', async () => {
  await using project = await salesProject(lines)
  await project.define('3d', features)
  await project.publish(await project.staged('run', {}))
  await project.define('3d', { features: `${features.features}, longer: max('amount', { over: ['6d'] })` })
  const { plan } = await project.staged('changed', {})
  const [slice] = plan.slices
  expect(slice?.isCarried).toBe(true)
  if (slice === undefined) throw new Error('no slice')
  const whole = await computeFiles(project.runtime, plan, slice, { threads: 1 })
  const [first] = slice.partitions
  if (first === undefined) throw new Error('no partition')
  const part = await computeByKeys(project.runtime, plan, { ...slice, partitions: [first] }, 16, { threads: 1 })
  expect(part.files).toEqual(whole.files.slice(0, 1))
})

test('an engine with too little memory for a slice computes it all the same', async () => {
  const many = Array.from({ length: 150_000 }, (_, i) => {
    const day = String(1 + (i % 20)).padStart(2, '0')
    return `shop ${(i * 7919) % 50_021},2024-01-${day} ${String(i % 24).padStart(2, '0')}:00:00,${i}`
  })
  await using project = await salesProject([many.join('\n')], { limits: { sliceInputBytes: '1GB' } })
  await project.define('3d', {
    features: `kept: collectDistinct('amount', { over: ['19d'], limit: 100 }), last: lastK('amount', 20, { over: ['19d'] })`,
  })
  const { plan } = await project.staged('run', { to: '2024-01-10' })
  const [slice] = plan.slices
  if (slice === undefined || plan.slices.length > 1) throw new Error('not one slice')
  const whole = await computeFiles(project.runtime, plan, slice, { threads: 1 })

  const { settings } = project.runtime
  const engine = { ...settings.config.engine, memoryLimit: 20_000_000 }
  const small = await openRuntime({ ...settings, config: { ...settings.config, engine } })
  try {
    const { files, parts } = await computeInParts(small, plan, slice, {})
    expect(files).toEqual(whole.files)
    expect(parts).toBeGreaterThan(1)
  } finally {
    await small.close()
  }
}, 120_000)
