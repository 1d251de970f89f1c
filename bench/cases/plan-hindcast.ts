/** Plans one scan of the table whose metadata file is given: `none`, `day` or `metric` is the filter. */
import { readFile } from 'node:fs/promises'
import {
  and,
  equal,
  greaterThanOrEqual,
  lessThan,
  parseTableMetadata,
  planScan,
  type Expression,
} from '../../src/iceberg/index.ts'
import { localFiles } from '../../src/io/files/index.ts'
import { report } from '../measure.ts'
import { firstDay } from '../planning-table.ts'

const [file = '', filter = 'none'] = process.argv.slice(2)
const microsPerDay = 86_400_000_000n
const from = BigInt(firstDay + 1) * microsPerDay
const filters: Readonly<Record<string, Expression | undefined>> = {
  day: and(greaterThanOrEqual('ts', from), lessThan('ts', from + microsPerDay)),
  metric: equal('id', 1_000_000n),
}
const io = localFiles()
const started = performance.now()
const metadata = parseTableMetadata(await readFile(file), file)
const wanted = filters[filter]
const { tasks } = await planScan({ table: { metadata }, io, ...(wanted === undefined ? {} : { filter: wanted }) })
report(started, tasks.length)
