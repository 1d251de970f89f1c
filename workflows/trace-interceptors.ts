/**
 * Spans of workflows, as the interceptors of `@temporalio/interceptors-opentelemetry` make them, but of the promises that are there already:
 * those have async functions around them, whose turns let an update's completion and the run's next step change places. A run that was begun
 * without traces would then not replay with them. tests/replay holds both ways.
 */
import '@temporalio/interceptors-opentelemetry/lib/workflow/runtime.js'
import { context, SpanStatusCode, trace, type Attributes, type Context, type Tracer } from '@opentelemetry/api'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import {
  extractContextFromHeaders,
  headersWithContext,
} from '@temporalio/interceptors-opentelemetry/lib/instrumentation.js'
import { ContextManager } from '@temporalio/interceptors-opentelemetry/lib/workflow/context-manager.js'
import { SpanExporter } from '@temporalio/interceptors-opentelemetry/lib/workflow/span-exporter.js'
import { ContinueAsNew, workflowInfo, type WorkflowInterceptorsFactory } from '@temporalio/workflow'

let contextManager: ContextManager | undefined

/** Once in each sandbox. */
function startTracing(): void {
  if (contextManager !== undefined) return
  contextManager = new ContextManager()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new SpanExporter())] })
  provider.register({ contextManager })
}

const tracer = (): Tracer => trace.getTracer('hindcast-workflow')

interface SpanOptions {
  /** Of who asked; by default what is going on. */
  readonly parent?: Context | undefined
  readonly attributes?: Attributes
}

/** What `work` gives, itself: whoever waits for it is called as if there were no span. */
function inSpan<T>(
  name: string,
  work: () => Promise<T>,
  { parent = context.active(), attributes = {} }: SpanOptions = {},
): Promise<T> {
  return tracer().startActiveSpan(name, { attributes }, parent, (span) => {
    const fail = (error: unknown): void => {
      // How a run goes on.
      if (!(error instanceof ContinueAsNew))
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
      span.end()
    }
    try {
      const result = work()
      result.then(() => span.end(), fail)
      return result
    } catch (error) {
      fail(error)
      throw error
    }
  })
}

/** Part of the bundle of a worker that sends traces. Queries have no spans: they are nothing that a run did. */
export const interceptors: WorkflowInterceptorsFactory = () => {
  startTracing()
  return {
    inbound: [
      {
        execute: (input, next) =>
          inSpan(`RunWorkflow:${workflowInfo().workflowType}`, () => next(input), {
            parent: extractContextFromHeaders(input.headers),
          }),
        handleUpdate: (input, next) =>
          inSpan(`HandleUpdate:${input.name}`, () => next(input), {
            parent: extractContextFromHeaders(input.headers),
            attributes: { temporalUpdateId: input.updateId },
          }),
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) =>
          inSpan(`StartActivity:${input.activityType}`, () =>
            next({ ...input, headers: headersWithContext(input.headers) }),
          ),
        startChildWorkflowExecution: (input, next) =>
          inSpan(`StartChildWorkflow:${input.workflowType}`, () =>
            next({ ...input, headers: headersWithContext(input.headers) }),
          ),
        continueAsNew: (input, next) =>
          inSpan(`ContinueAsNew:${input.options.workflowType}`, () =>
            next({ ...input, headers: headersWithContext(input.headers) }),
          ),
      },
    ],
    internals: [
      {
        dispose: (input, next) => {
          contextManager?.disable()
          next(input)
        },
      },
    ],
  }
}
