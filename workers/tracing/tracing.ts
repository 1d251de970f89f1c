import type { WorkflowClientInterceptor } from '@temporalio/client'
import type { OpenTelemetrySinks } from '@temporalio/interceptors-opentelemetry'
import type { InjectedSinks, WorkerInterceptors } from '@temporalio/worker'
import type { BackfillActivities, MaintenanceActivities } from '../../src/contract/index.ts'
import type { InSpan } from '../../src/io/backfill/index.ts'

/** How this process traces what it does. */
export interface Tracing {
  readonly client: { readonly workflow: WorkflowClientInterceptor[] }
  readonly worker: {
    readonly interceptors: WorkerInterceptors
    /** Take the spans out of workflows. */
    readonly sinks: InjectedSinks<OpenTelemetrySinks>
    readonly inSpan: InSpan
    /** The same activities, whose spans say what was asked and done. */
    described<Activities extends BackfillActivities & MaintenanceActivities>(activities: Activities): Activities
  }
  /** Sends what is still to be sent, for some seconds at most. */
  end(): Promise<void>
}

let tracing: Promise<Tracing | null> | undefined

/** One a process; null where the environment names no collector, and then nothing of OpenTelemetry is loaded. */
export const findTracing = (): Promise<Tracing | null> => (tracing ??= start(process.env))

/** Ends it, if it was begun. */
export const endTracing = async (): Promise<void> => (await tracing)?.end()

async function start(env: NodeJS.ProcessEnv): Promise<Tracing | null> {
  const of = (name: string): string => env[name]?.trim() ?? ''
  const endpoint = of('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') || of('OTEL_EXPORTER_OTLP_ENDPOINT')
  if (endpoint === '' || of('OTEL_SDK_DISABLED') === 'true' || of('OTEL_TRACES_EXPORTER') === 'none') return null
  const protocol = of('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') || of('OTEL_EXPORTER_OTLP_PROTOCOL')
  if (protocol === 'grpc') {
    process.stderr.write(
      'warn: traces are sent by OTLP over HTTP only: set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf, and the port for it (4318)\n',
    )
    return null
  }
  return (await import('./provider.ts')).startTracing()
}
