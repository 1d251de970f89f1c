/** Writes the golden files anew. Read the difference before committing it: it is what backfills will compute and other programs read. */
import { mkdir, writeFile } from 'node:fs/promises'
import { artefactPath, artefacts } from '../tests/golden/artefacts.ts'
import { goldenPath, goldenSql } from '../tests/golden/compile.ts'
import { goldenViews } from '../tests/golden/views.ts'

await Promise.all(goldenViews.map((view) => writeFile(goldenPath(view), goldenSql(view))))
await mkdir(artefactPath(''), { recursive: true })
await Promise.all(artefacts.map(({ name, text }) => writeFile(artefactPath(name), text())))
