// The engine takes rows of several partitions at once where slices are large, and those of one at a time where they are small. Which rows come
// together must not show: shops here sell in bouts, so that neighbouring rows of a partition are many at times and few at others.
import { expect, test } from 'vitest'
import { mainBytes } from '../../../support/table-bytes.ts'
import { salesProject } from '../../../support/runtime.ts'

const days = Array.from({ length: 16 }, (_, i) => `2024-01-${String(i + 1).padStart(2, '0')}`)
const lines = Array.from({ length: 3000 }, (_, shop) => {
  const name = `shop ${String(shop).padStart(5, '0')}`
  const sells = (day: number): boolean => (Math.floor(shop / 90) + day) % 11 === 0 || (shop * 31 + day) % 40 === 0
  return days.flatMap((day, index) => (sells(index) ? [`${name},${day} 10:00:00,${(shop * index) % 97}`] : []))
}).flat()

test('a partition has the same file, whatever is computed with it', { timeout: 120_000 }, async () => {
  const bytesOf = async (sliceInputBytes: number): Promise<ReadonlyMap<string, readonly string[]>> => {
    await using project = await salesProject(lines, { limits: { sliceInputBytes } })
    await project.define('2d', {
      features: `sales: count({ over: ['1d', '2d'] }), amount: sum('amount', { over: ['2d'] })`,
    })
    const staged = await project.staged('run', { from: '2024-01-02', to: '2024-01-16' })
    expect(staged.plan.slices.length).toBe(sliceInputBytes === 1 ? 14 : 1)
    await project.publish(staged)
    return await mainBytes(project.runtime.settings.dir, 'shop_sales')
  }
  const apart = await bytesOf(1)
  expect(apart.size).toBe(14)
  expect(await bytesOf(1e9)).toEqual(apart)
})
