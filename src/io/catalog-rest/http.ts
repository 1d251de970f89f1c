import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError } from '../../contract/index.ts'
import { jsonText, parseJsonBytes } from '../../iceberg/index.ts'
import type { Authorization } from './authorization.ts'

export interface RestRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  /** Path and query from the catalog's URI on, already encoded: `/v1/config?warehouse=x`. */
  readonly path: string
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
}

export type RestAnswer =
  | {
      readonly status: 'ok'
      /** Parsed without loss; null when there was none. */
      readonly json: unknown
    }
  /** The server did nothing, and says why. `maybeDone`: an earlier try may have been done in spite of its answer. */
  | {
      readonly status: 'refused'
      readonly httpStatus: number
      /** The server's name for the failure, such as `NoSuchTableException`. */
      readonly type: string
      readonly message: string
      readonly maybeDone: boolean
    }
  /** Only for requests that change something: it may have been done or not. */
  | { readonly status: 'lost'; readonly cause: HindcastError }

export interface RestHttpOptions {
  readonly uri: string
  readonly authorization: Authorization
  readonly timeoutMs: number
  /** Sent with every request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Wait before the second try, in ms; it doubles with each. */
  readonly retryDelayMs?: number
}

/** Speaks to one REST catalog: signs, times out, tries again what may be, and tells what is known of the outcome. */
export interface RestHttp {
  /** @throws CATALOG_UNAVAILABLE when nothing was done and trying again later may help; ACCESS_DENIED */
  send(request: RestRequest): Promise<RestAnswer>
}

const maxTries = 6
const maxDelayMs = 10_000
const maxRetryAfterMs = 30_000
/** As large as a table's metadata may be. */
const maxAnswerBytes = 1 << 27

export function restHttp(options: RestHttpOptions): RestHttp {
  const { authorization, uri } = options
  const redact = (text: string): string =>
    authorization.secrets().reduce((rest, secret) => rest.replaceAll(secret, '***'), text.slice(0, 500))
  const unavailable = (why: string): HindcastError =>
    new HindcastError('CATALOG_UNAVAILABLE', `the catalog ${uri} cannot be used: ${redact(why)}`, {
      hint: 'Make sure that the server runs and can be reached from here; its own log says more.',
      context: { uri },
    })

  return {
    send: async (request) => {
      const changes = request.method === 'POST' || request.method === 'DELETE'
      let renewed = false
      let maybeDone = false
      for (let turn = 1; ; turn++) {
        const attempt = await tryOnce(options, request)
        if (attempt.kind === 'answer') {
          const { httpStatus } = attempt
          if (httpStatus >= 200 && httpStatus < 300) {
            const parsed = parseBody(attempt.body)
            if ('json' in parsed) return { status: 'ok', json: parsed.json }
            if (changes) return { status: 'lost', cause: unavailable(parsed.why) }
            throw unavailable(parsed.why)
          }
          const { type, message } = serverError(attempt)
          if (httpStatus === 401 || httpStatus === 419) {
            if (!renewed && (await authorization.renew())) {
              renewed = true
              continue
            }
          }
          if (httpStatus === 401 || httpStatus === 403 || httpStatus === 419) {
            const cause = denied(uri, `HTTP ${httpStatus}${message === '' ? '' : `: ${redact(message)}`}`)
            if (maybeDone) return { status: 'lost', cause }
            throw cause
          }
          if ((httpStatus < 500 || httpStatus === 501) && httpStatus !== 429) {
            return { status: 'refused', httpStatus, type, message: redact(message), maybeDone }
          }
          const why = `HTTP ${httpStatus}${message === '' ? '' : `: ${message}`}`
          // 429 and 503 promise that nothing was done, but a gateway sends 503 also for a server that broke off half-way.
          const again = httpStatus === 429 || httpStatus === 503
          if (changes && httpStatus !== 429) maybeDone = true
          if (changes && !again) return { status: 'lost', cause: unavailable(why) }
          if (turn === maxTries) {
            if (maybeDone) return { status: 'lost', cause: unavailable(why) }
            throw unavailable(why)
          }
          await delay(Math.max(pauseMs(options, turn), attempt.retryAfterMs))
        } else {
          if (changes && attempt.kind === 'broken') return { status: 'lost', cause: unavailable(attempt.why) }
          if (turn === maxTries) {
            if (maybeDone) return { status: 'lost', cause: unavailable(attempt.why) }
            throw unavailable(attempt.why)
          }
          await delay(pauseMs(options, turn))
        }
      }
    },
  }
}

const pauseMs = ({ retryDelayMs = 200 }: RestHttpOptions, turn: number): number =>
  Math.min(retryDelayMs * 2 ** (turn - 1), maxDelayMs) * (0.5 + Math.random() / 2)

type Attempt =
  | {
      readonly kind: 'answer'
      readonly httpStatus: number
      readonly statusText: string
      readonly body: Uint8Array
      readonly retryAfterMs: number
    }
  /** No connection: the server knows nothing of it. */
  | { readonly kind: 'unsent'; readonly why: string }
  /** Sent, and no answer, or half of one. */
  | { readonly kind: 'broken'; readonly why: string }

async function tryOnce(options: RestHttpOptions, request: RestRequest): Promise<Attempt> {
  const url = new URL(options.uri + request.path)
  const body = request.body === undefined ? undefined : jsonText(request.body)
  const plain: Record<string, string> = { accept: 'application/json', ...options.headers, ...request.headers }
  if (body !== undefined) plain['content-type'] = 'application/json'
  const headers = await options.authorization.headers({ method: request.method, url, headers: plain, body })
  try {
    const response = await fetch(url, {
      method: request.method,
      headers,
      // What a server forwards to may be another; our secrets are for this one.
      redirect: 'manual',
      signal: AbortSignal.timeout(options.timeoutMs),
      ...(body === undefined ? {} : { body }),
    })
    return {
      kind: 'answer',
      httpStatus: response.status,
      statusText: response.statusText,
      body: await bytesOf(response),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
    }
  } catch (error) {
    return { kind: neverSent(error) ? 'unsent' : 'broken', why: reasonOf(error, options.timeoutMs) }
  }
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > maxAnswerBytes) throw new Error(`its answer is larger than ${maxAnswerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Seconds, as servers send them; the other form, a date, is of no use with clocks that differ. */
const retryAfterMs = (header: string | null): number =>
  header !== null && /^\d{1,6}$/.test(header) ? Math.min(Number(header) * 1000, maxRetryAfterMs) : 0

const connectFailures = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** Failures before a byte of the request was on its way. */
function neverSent(error: unknown): boolean {
  const code = codeOf(error)
  return (
    code !== null &&
    (connectFailures.has(code) || code === 'UND_ERR_CONNECT_TIMEOUT' || /CERT|_SSL_|ERR_TLS/.test(code))
  )
}

function codeOf(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return null
}

function reasonOf(error: unknown, timeoutMs: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const message = cause instanceof Error ? cause.message : String(cause)
  return message === '' ? (codeOf(error) ?? 'no connection') : message
}

function parseBody(body: Uint8Array): { readonly json: unknown } | { readonly why: string } {
  if (body.length === 0) return { json: null }
  try {
    return { json: parseJsonBytes(body) }
  } catch (error) {
    return { why: `its answer cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** `{ error: { message, type, code } }`, or what a gateway says instead. */
function serverError({ httpStatus, statusText, body }: Extract<Attempt, { readonly kind: 'answer' }>): {
  readonly type: string
  readonly message: string
} {
  if (httpStatus >= 300 && httpStatus < 400) {
    return { type: 'Redirect', message: 'it wants to be called at another address: mend catalog.uri' }
  }
  try {
    const { error } = parseJsonBytes(body) as {
      readonly error?: { readonly message?: unknown; readonly type?: unknown }
    }
    const text = (value: unknown): string => (typeof value === 'string' ? value : '')
    return { type: text(error?.type), message: text(error?.message) }
  } catch {
    return { type: '', message: statusText }
  }
}

const denied = (uri: string, why: string): HindcastError =>
  new HindcastError('ACCESS_DENIED', `the catalog ${uri} refuses the request: ${why}`, {
    hint: 'Mend catalog.auth in hindcast.config.ts or in the environment that it names, or give that user the right to do this.',
    context: { uri },
  })
