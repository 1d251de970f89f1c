// Fails when a file imports what its folder forbids (scripts/boundaries.ts has the rules).
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findViolations } from './boundaries.ts'

const root = join(import.meta.dirname, '..')
const files = globSync('{src,features,activities,workflows,workers}/**/*.ts', { cwd: root }).toSorted()
const violations = files.flatMap((file) => findViolations(file, readFileSync(join(root, file), 'utf8')))
for (const { file, line, imported, rule } of violations) console.error(`${file}:${line} imports ${imported}: ${rule}`)
console.error(`${files.length} files, ${violations.length} crossed boundaries`)
process.exitCode = violations.length === 0 && files.length > 0 ? 0 : 1
