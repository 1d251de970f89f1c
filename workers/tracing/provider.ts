import { SpanStatusCode, trace } from '@opentelemetry/api'
import { setGlobalErrorHandler } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { detectResourcesSync, envDetectorSync, Resource } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { WorkflowClientInterceptor } from '@temporalio/client'
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry'
import type { WorkflowInfo } from '@temporalio/workflow'
import { hostname } from 'node:os'
import type { InSpan } from '../../src/io/backfill/index.ts'
import { describedActivities } from './described-activities.ts'
import type { Tracing } from './tracing.ts'

/** Unless the environment says otherwise: a command ends no later than so long after its work, when the collector is silent. */
const exportTimeoutMs = 3_000

class ClientInterceptor extends OpenTelemetryWorkflowClientInterceptor {
  /** Following a run asks for its progress four times a second: nothing that anybody did. */
  override query: OpenTelemetryWorkflowClientInterceptor['query'] = (input, next) => next(input)
  override describe: OpenTelemetryWorkflowClientInterceptor['describe'] = (input, next) => next(input)
}

/** Sends spans to the collector that OpenTelemetry's environment variables name; all of those hold that its SDK reads. */
export function startTracing(): Tracing {
  let told = false
  const tell = (error: unknown): void => {
    if (told) return
    told = true
    process.stderr.write(`warn: traces are not delivered: ${error instanceof Error ? error.message : String(error)}\n`)
  }
  setGlobalErrorHandler(tell)
  const ours = { 'service.name': 'hindcast', 'service.instance.id': `${hostname()}:${process.pid}` }
  const resource = new Resource(ours).merge(detectResourcesSync({ detectors: [envDetectorSync] }))
  const given = process.env['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT'] ?? process.env['OTEL_EXPORTER_OTLP_TIMEOUT']
  const exporter = new OTLPTraceExporter(given === undefined ? { timeoutMillis: exportTimeoutMs } : {})
  const processor = new BatchSpanProcessor(exporter)
  const provider = new NodeTracerProvider({ resource, spanProcessors: [processor] })
  provider.register()
  const { export: exported } = makeWorkflowExporter(processor, resource)
  return {
    client: { workflow: [new ClientInterceptor() satisfies WorkflowClientInterceptor] },
    worker: {
      interceptors: { activity: [(context) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(context) })] },
      sinks: {
        exporter: { export: { ...exported, fn: (info, spans) => exported.fn(idsOf(info), spans) } },
      },
      inSpan,
      described: describedActivities,
    },
    end: () => provider.shutdown().catch(tell),
  }
}

/** What of a workflow's own description becomes attributes of its spans: all of it is the SDK's choice, memo and functions included. */
const idsOf = ({ workflowId, runId, workflowType, attempt }: WorkflowInfo): WorkflowInfo =>
  ({ temporalWorkflowId: workflowId, run_id: runId, workflowType, attempt }) as unknown as WorkflowInfo

const inSpan: InSpan = (name, attributes, work) =>
  trace.getTracer('hindcast').startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await work()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
      throw error
    } finally {
      span.end()
    }
  })
