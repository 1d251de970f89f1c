/** Writes the golden files of the compiler anew. Read the difference before committing it: it is what backfills will compute. */
import { writeFile } from 'node:fs/promises'
import { goldenPath, goldenSql } from '../tests/golden/compile.ts'
import { goldenViews } from '../tests/golden/views.ts'

await Promise.all(goldenViews.map((view) => writeFile(goldenPath(view), goldenSql(view))))
