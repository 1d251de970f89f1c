import { createServer } from 'node:http'
import { gunzipSync } from 'node:zlib'
import protobuf from 'protobufjs'
import { listen } from '../../workers/http-server.ts'

// What of OpenTelemetry's protocol the tests look at; what is not named here is skipped.
const schema = `
syntax = "proto3";
message Value { oneof value { string text = 1; bool flag = 2; int64 whole = 3; double real = 4; } }
message Attribute { string key = 1; Value value = 2; }
message Status { string message = 2; int32 code = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5;
  repeated Attribute attributes = 9; Status status = 15;
}
message Resource { repeated Attribute attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Request { repeated ResourceSpans resource_spans = 1; }
`
const request = protobuf.parse(schema).root.lookupType('Request')

interface SentAttribute {
  readonly key: string
  readonly value?: { readonly text?: string; readonly flag?: boolean; readonly whole?: string; readonly real?: number }
}

interface SentRequest {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly SentAttribute[] }
    readonly scopeSpans?: readonly {
      readonly spans?: readonly {
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly name: string
        readonly attributes?: readonly SentAttribute[]
        readonly status?: { readonly code?: number; readonly message?: string }
      }[]
    }[]
  }[]
}

export interface CollectedSpan {
  readonly traceId: string
  readonly id: string
  /** Of the span above; empty for the topmost. */
  readonly parent: string
  readonly name: string
  readonly attributes: Readonly<Record<string, unknown>>
  /** Of the process that sent it. */
  readonly resource: Readonly<Record<string, unknown>>
  readonly failure: string | null
}

/** A collector of OpenTelemetry traces by HTTP and protobuf, as the environment variables name one. */
export interface TraceCollector extends AsyncDisposable {
  readonly address: string
  /** All that came, in the order of its arrival. */
  readonly spans: readonly CollectedSpan[]
}

export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: CollectedSpan[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const body = Buffer.concat(chunks)
      if (incoming.method !== 'POST' || incoming.url !== '/v1/traces') return response.writeHead(404).end()
      spans.push(...spansIn(incoming.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body))
      return response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  const listening = await listen(server, { ip: '127.0.0.1', port: 0, whose: 'a test', flag: '' })
  return { address: listening.address, spans, [Symbol.asyncDispose]: () => listening.close() }
}

function spansIn(body: Uint8Array): CollectedSpan[] {
  const sent = request.toObject(request.decode(body), { longs: String, bytes: String }) as SentRequest
  return (sent.resourceSpans ?? []).flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ spans = [] }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        id: span.spanId,
        parent: span.parentSpanId ?? '',
        name: span.name,
        attributes: valuesOf(span.attributes),
        resource: valuesOf(resource?.attributes),
        failure: span.status?.code === 2 ? (span.status.message ?? '') : null,
      })),
    ),
  )
}

const valuesOf = (attributes: readonly SentAttribute[] = []): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value?.text ?? value?.flag ?? (value?.whole === undefined ? value?.real : Number(value.whole)),
    ]),
  )
