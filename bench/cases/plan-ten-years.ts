/** Plans a view over ten years of days, from a source of metadata only whose metadata file is given: every partition is missing. */
import { makePlan } from '../../src/io/backfill/index.ts'
import { report } from '../measure.ts'
import { dayOf, withPlanningProject } from '../planning-project.ts'

const [file = '', days = '3650'] = process.argv.slice(2)
await withPlanningProject(file, async (runtime) => {
  const started = performance.now()
  const plan = await makePlan(runtime, { view: 'wide', from: dayOf(0), to: dayOf(Number(days)) })
  report(started, plan.partitions.length, {}, { slices: plan.slices.length, files: plan.source.files.length })
})
