import type { TestProject } from '../../tests/support/project.ts'
import type { TestTemporal } from '../../tests/support/temporal.ts'
import type { Random } from './random.ts'

/** What those who disturb and those who are disturbed work on. */
export interface SoakRequest {
  readonly project: TestProject
  readonly temporal: TestTemporal
  readonly random: (purpose: string) => Random
  /** Aborted when nothing more is to be killed, and nothing new to be started. */
  readonly stop: AbortSignal
  readonly anomaly: (what: string) => void
}
