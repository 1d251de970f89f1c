import { expect, test } from 'vitest'
import { findViolations } from '../../../scripts/boundaries.ts'

const crossed = (file: string, source: string) => findViolations(file, source).map(({ imported }) => imported)

test.each([
  ['src/compile/sql.ts', "import { readFile } from 'node:fs/promises'"],
  ['src/compile/sql.ts', "import { readFile } from 'fs'"],
  ['src/iceberg/commit.ts', "import '@duckdb/node-api'"],
  ['src/audit/checks.ts', "export { proxyActivities } from '@temporalio/workflow'"],
  ['src/audit/checks.ts', "export * from '../io/duckdb.ts'"],
  ['src/report/html.ts', "const { request } = await import('node:http')"],
  ['src/plan/slices.ts', "import { createHash } from 'node:crypto'"],
  ['src/contract/ids.ts', "import { Buffer } from 'node:buffer'"],
  ['src/io/catalog.ts', "import type { Client } from '@temporalio/client'"],
  ['src/io/deep/er/catalog.ts', "import { plan } from '../../../../workflows/backfill.ts'"],
  ['workflows/backfill.ts', "import { compileSql } from '../src/compile/index.ts'"],
  ['workflows/backfill.ts', "import { createActivities } from '../activities/index.ts'"],
  ['workflows/backfill.ts', "import { type Activities, createActivities } from '../activities/index.ts'"],
  ['workflows/backfill.ts', "import { z } from 'zod'"],
  ['activities/index.ts', "import { output } from '../cli/output.ts'"],
  ['workers/dev.ts', "import { output } from '../cli/output.ts'"],
  ['features/delays.ts', "import { avg } from '../src/index.ts'"],
])('%s must not: %s', (file, source) => {
  expect(crossed(file, source)).toHaveLength(1)
})

test.each([
  ['src/compile/sql.ts', "import { createHash } from 'node:crypto'\nimport { z } from 'zod'"],
  ['src/io/catalog.ts', "import { readFile } from 'node:fs/promises'\nimport { plan } from '../plan/index.ts'"],
  ['workflows/backfill.ts', "import type { Activities } from '../activities/index.ts'"],
  ['workflows/backfill.ts', "import { type Activities, type More } from '../activities/index.ts'"],
  [
    'workflows/backfill.ts',
    "import { slices } from '../src/plan/index.ts'\nimport { sleep } from '@temporalio/workflow'",
  ],
  ['features/delays.ts', "import { avg } from 'hindcast'\nimport { origin } from './entities.ts'"],
  ['cli/main.ts', "import { output } from './output.ts'\nimport { Client } from '@temporalio/client'"],
  [
    'src/compile/sql.ts',
    "// import { readFile } from 'node:fs/promises'\nexport const text = \"import x from 'node:fs'\"",
  ],
])('%s may: %s', (file, source) => {
  expect(crossed(file, source)).toEqual([])
})

test('a violation is named with its line', () => {
  const source = "import { z } from 'zod'\n\nimport { readFile } from 'node:fs/promises'\n"
  expect(findViolations('src/audit/checks.ts', source)).toEqual([
    { file: 'src/audit/checks.ts', line: 3, imported: 'node:fs/promises', rule: expect.stringContaining('pure') },
  ])
})
