import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestProject } from './project.ts'

/** A day of January 2024. */
export const january = (day: number): string => `2024-01-${String(day).padStart(2, '0')}`

/** Imports as `raw.sales` (`shop`, `at`, `amount`) a sale of the shop north at ten each day from 1 January 2024 on, for 0, 1, 2, … */
export async function importSales(project: TestProject, days: number): Promise<void> {
  const file = join(project.dir, 'sales.csv')
  const lines = Array.from({ length: days }, (_, i) => `north,${january(i + 1)} 10:00:00,${i}`)
  await writeFile(file, `shop,at,amount\n${lines.join('\n')}\n`)
  const { code, stderr } = await project.hindcast('import', file, '--table', 'raw.sales', '--event-time', 'at')
  if (code !== 0) throw new Error(stderr)
}
