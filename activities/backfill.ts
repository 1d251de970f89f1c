import type { BackfillActivities } from '../src/contract/index.ts'
import {
  computeSlice,
  dropBranch,
  planRun,
  publishSnapshot,
  runAudit,
  stageSnapshot,
  writeReport,
} from '../src/io/backfill/index.ts'
import type { Runtime } from '../src/io/runtime.ts'
import { step } from './step.ts'

/** The activities of a backfill, over one project's storage, catalog and engine. */
export function createBackfillActivities(runtime: Runtime): BackfillActivities {
  return {
    planBackfill: ({ input, run }) => step(async () => (await planRun(runtime, input, run)).summary),
    computeSlice: (request) => step((options) => computeSlice(runtime, request, options)),
    stageSnapshot: (request) => step(() => stageSnapshot(runtime, request)),
    runAudit: (request) => step((options) => runAudit(runtime, request, options)),
    publishSnapshot: (request) => step(() => publishSnapshot(runtime, request)),
    writeReport: (request) => step(() => writeReport(runtime, request)),
    dropBranch: (request) => step(() => dropBranch(runtime, request)),
  }
}
