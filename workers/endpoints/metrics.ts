import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { AuditResult, PublishedSnapshot, SliceSummary } from '../../src/contract/index.ts'

export type SliceOutcome = 'failed' | 'cancelled' | 'handed-over'

/** What a worker counts of its own work, since it started. */
export interface WorkerMetrics {
  /** Returns what is to be called once when the slice has ended, however. */
  sliceStarted(): (outcome: SliceSummary | SliceOutcome) => void
  audited(status: AuditResult['status']): void
  published(snapshot: PublishedSnapshot): void
  /** An attempt of any activity that failed, by the code of its error. */
  failed(activity: string, code: string): void
  /** All of it in Prometheus's text format, with what Node and the process say of themselves. */
  text(): Promise<string>
  readonly contentType: string
}

/** Slices take seconds to minutes. */
const sliceSeconds = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600]

export function createMetrics(): WorkerMetrics {
  const registers = [new Registry()]
  const [registry] = registers as [Registry]
  collectDefaultMetrics({ register: registry })

  const slices = new Counter({
    name: 'hindcast_slices_total',
    help: 'Slices that ended on this worker: computed, reused (found finished), failed, cancelled, handed-over (to another worker, at shutdown)',
    labelNames: ['outcome'],
    registers,
  })
  const running = new Gauge({ name: 'hindcast_running_slices', help: 'Slices that are being computed now', registers })
  const seconds = new Histogram({
    name: 'hindcast_slice_seconds',
    help: 'Time that a computed slice took',
    buckets: sliceSeconds,
    registers,
  })
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers })
  const rowsRead = counter(
    'hindcast_rows_read_total',
    'Source rows that computed slices read, as their plan counts them',
  )
  const bytesRead = counter(
    'hindcast_bytes_read_total',
    'Source bytes (of the columns read, uncompressed) that computed slices read, as their plan estimates them',
  )
  const rowsWritten = counter('hindcast_rows_written_total', 'Feature rows that computed slices wrote')
  const bytesWritten = counter('hindcast_bytes_written_total', 'Bytes of data files that computed slices wrote')
  const rowsRejected = counter('hindcast_rows_rejected_total', 'Source rows left out for a null key')
  const audits = new Counter({
    name: 'hindcast_audits_total',
    help: 'Audits by their status: pass, warn, fail',
    labelNames: ['status'],
    registers,
  })
  const publishes = new Counter({
    name: 'hindcast_publishes_total',
    help: 'Snapshots published: published, restaged (on a main that had moved elsewhere), found (published by an earlier attempt)',
    labelNames: ['outcome'],
    registers,
  })
  const failures = new Counter({
    name: 'hindcast_activity_failures_total',
    help: 'Attempts of activities that failed, by activity and by the code of the error',
    labelNames: ['activity', 'code'],
    registers,
  })
  new Gauge({
    name: 'hindcast_memory_high_water_bytes',
    help: 'The most resident memory that the worker has had',
    registers,
    collect() {
      this.set(process.resourceUsage().maxRSS * 1024)
    },
  })
  // A series that begins with its first event hides that event from rate() and increase().
  for (const outcome of ['computed', 'reused', 'failed', 'cancelled', 'handed-over']) slices.inc({ outcome }, 0)
  for (const status of ['pass', 'warn', 'fail']) audits.inc({ status }, 0)
  for (const outcome of ['published', 'restaged', 'found']) publishes.inc({ outcome }, 0)

  const sliceEnded = (slice: SliceSummary | SliceOutcome): void => {
    running.dec()
    if (typeof slice === 'string') return slices.inc({ outcome: slice })
    slices.inc({ outcome: slice.reused ? 'reused' : 'computed' })
    if (slice.reused) return
    seconds.observe(slice.elapsedMs / 1000)
    rowsRead.inc(slice.inputRows ?? 0)
    bytesRead.inc(slice.inputBytes ?? 0)
    rowsWritten.inc(slice.rows)
    bytesWritten.inc(slice.bytes)
    rowsRejected.inc(slice.rejectedRows)
  }
  return {
    sliceStarted: () => {
      running.inc()
      return sliceEnded
    },
    audited: (status) => audits.inc({ status }),
    published: ({ published, restaged }) =>
      publishes.inc({ outcome: published ? (restaged ? 'restaged' : 'published') : 'found' }),
    failed: (activity, code) => failures.inc({ activity, code }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
