import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { HindcastError } from '../contract/index.ts'
import type { SqlConnection, SqlRow, SqlStatement, TransactionOutcome } from './catalog-sql/index.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`; the other fields go before what it says. */
  readonly url?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly database?: string | undefined
  readonly user?: string | undefined
  readonly password?: string | undefined
  /**
   * How the connection is secured: `verify` checks the server's certificate, `require` does not, `disable` sends all in the clear.
   * By default what the URL's `sslmode` says, and without that `disable`.
   */
  readonly tls?: 'disable' | 'require' | 'verify' | undefined
  /** PEM of the authorities to trust, in place of the system's. */
  readonly ca?: string | undefined
  /** Connections of this process at most; 4 unless given. */
  readonly maxConnections?: number | undefined
  /** For a statement, the wait for a lock included; 15,000 unless given. */
  readonly statementTimeoutMs?: number | undefined
  /** 10,000 unless given. */
  readonly connectTimeoutMs?: number | undefined
}

/** For how long a transaction that others got in the way of is tried again. */
const patienceMs = 15_000

/**
 * A pool of connections to a Postgres database. Nothing is sent before the first statement.
 * @throws CONFIG_INVALID for a URL that is none
 */
export function connectPostgres(options: PostgresOptions): SqlConnection {
  const statementMs = options.statementTimeoutMs ?? 15_000
  const { config, place } = settingsOf(options)
  const pool = new pg.Pool({
    ...config,
    max: options.maxConnections ?? 4,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    statement_timeout: statementMs,
    // The server ends a statement first, and says so; this is for a server that says nothing any more.
    query_timeout: statementMs + 5_000,
    idle_in_transaction_session_timeout: statementMs * 2,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'hindcast',
  })
  // A connection that breaks leaves the pool by itself, and a query on it says so; without listeners it would end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))

  const all = async (sql: string, ...parameters: SqlStatement[1][]): Promise<readonly SqlRow[]> => {
    const { rows } = await patiently(() => pool.query<Record<string, unknown>>(numbered(sql), parameters)).catch(
      (error: unknown) => {
        throw postgresError(place, error)
      },
    )
    return rows
  }
  return {
    all,
    transaction: async (statements) => {
      const outcome = await patiently(() => runTransaction(pool, statements)).catch((error: unknown) => {
        throw postgresError(place, error)
      })
      return outcome.status === 'unknown' ? { ...outcome, cause: postgresError(place, outcome.cause) } : outcome
    },
    columnsOf: async (table) => {
      const rows = await all(
        `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped`,
        table,
      )
      return rows.map((row) => String(row['attname']))
    },
    waitClause: 'FOR UPDATE',
    invalid: (what, cause) => invalidDatabase(place, what, cause),
    close: () => pool.end(),
  }
}

/** Our statements have no question mark but for parameters. */
function numbered(sql: string): string {
  let count = 0
  return sql.replace(/\?/g, () => `$${++count}`)
}

async function runTransaction(pool: pg.Pool, statements: readonly SqlStatement[]): Promise<TransactionOutcome> {
  const client = await pool.connect()
  let broken: Error | undefined
  let committing = false
  try {
    await client.query('BEGIN')
    const changes: number[] = []
    for (const [sql, ...parameters] of statements) {
      changes.push((await client.query(numbered(sql), parameters)).rowCount ?? 0)
    }
    committing = true
    const { command } = await client.query('COMMIT')
    // A server answers ROLLBACK to the COMMIT of a transaction that had failed.
    if (command !== 'COMMIT') throw new Error(`the server answered ${command} to COMMIT`)
    return { status: 'committed', changes }
  } catch (cause) {
    const code = sqlState(cause)
    // With a state the server itself says that the transaction failed, except for these two, which speak of the connection.
    const answered = code !== null && !code.startsWith('08') && !code.startsWith('57P')
    if (!answered) broken = cause instanceof Error ? cause : new Error(String(cause))
    else await client.query('ROLLBACK').catch((error: Error) => (broken = error))
    if (alreadyThere.has(code ?? '')) return { status: 'duplicate', cause }
    if (committing && !answered) return { status: 'unknown', cause }
    throw cause
  } finally {
    client.release(broken)
  }
}

/** Tries again what failed only because of others: serialization failure, deadlock, a lock that was not to be had. */
async function patiently<T>(action: () => Promise<T>): Promise<T> {
  const begin = performance.now()
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    try {
      return await action()
    } catch (error) {
      if (!inTheWay.has(sqlState(error) ?? '') || performance.now() - begin > patienceMs) throw error
    }
    await delay(pauseMs * (0.5 + Math.random()))
  }
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const inTheWay = new Set(['40001', '40P01', '55P03'])

/** A row, a relation, a type. IF NOT EXISTS does not spare who makes a table while another does: which of them it gets is a matter of timing. */
const alreadyThere = new Set(['23505', '42P07', '42710'])

function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError && error.code !== undefined ? error.code : null
}

function settingsOf(options: PostgresOptions): { readonly config: pg.ClientConfig; readonly place: string } {
  let url: URL | null = null
  if (options.url !== undefined) {
    url = URL.canParse(options.url) ? new URL(options.url) : null
    if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) {
      throw new HindcastError('CONFIG_INVALID', 'the catalog’s url is no Postgres address', {
        hint: 'Write postgres://user:password@host:5432/database, and % before what is special in it.',
      })
    }
  }
  const sslmode = url?.searchParams.get('sslmode') ?? null
  const other = [...(url?.searchParams.keys() ?? [])].find((key) => key !== 'sslmode')
  if (other !== undefined) {
    throw new HindcastError('CONFIG_INVALID', `the catalog’s url has the parameter ${other}, which is not known here`, {
      hint: 'Only sslmode may stand in the URL; the configuration has fields for the rest.',
    })
  }
  const tls = options.tls ?? tlsOf(sslmode)
  const part = (own: string | undefined, inUrl: string | undefined): string | undefined =>
    own ?? (inUrl === undefined || inUrl === '' ? undefined : decodeURIComponent(inUrl))
  const host = part(options.host, url?.hostname.replace(/^\[|\]$/g, '')) ?? 'localhost'
  const port = options.port ?? Number(url?.port === undefined || url.port === '' ? 5432 : url.port)
  const database = part(options.database, url?.pathname.slice(1))
  const user = part(options.user, url?.username)
  const password = part(options.password, url?.password)
  return {
    place: `${host}:${port}/${database ?? user ?? ''}`,
    config: {
      host,
      port,
      ssl:
        tls === 'disable'
          ? false
          : { rejectUnauthorized: tls === 'verify', ...(options.ca === undefined ? {} : { ca: options.ca }) },
      ...(database === undefined ? {} : { database }),
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
    },
  }
}

function tlsOf(sslmode: string | null): 'disable' | 'require' | 'verify' {
  if (sslmode === null || sslmode === 'disable') return 'disable'
  if (sslmode === 'require') return 'require'
  if (sslmode === 'verify-full') return 'verify'
  throw new HindcastError('CONFIG_INVALID', `sslmode=${sslmode} in the catalog’s url is not known here`, {
    hint: 'Write disable, require (encrypted) or verify-full (encrypted, and the certificate is checked).',
  })
}

function postgresError(place: string, cause: unknown): HindcastError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const code = sqlState(cause)
  if (code === '28000' || code === '28P01' || code === '42501') {
    return new HindcastError('ACCESS_DENIED', `the catalog database ${place} refuses its user: ${reason}`, {
      hint:
        code === '42501'
          ? 'The user needs SELECT, INSERT, UPDATE and DELETE on iceberg_tables and iceberg_namespace_properties, and CREATE the first time.'
          : 'Mend user and password in hindcast.config.ts or in the environment that it names.',
      context: { place },
      cause,
    })
  }
  if (code === '3D000') return invalidDatabase(place, `is not there (${reason})`, cause)
  // Too long for its column: JdbcCatalog's tables have 255 characters for a name and 1,000 for a path.
  if (code === '22001') {
    return new HindcastError(
      'REQUEST_INVALID',
      `the catalog database ${place} has no room for a name or path: ${reason}`,
      {
        hint: 'Names have up to 255 characters, paths of metadata files up to 1,000.',
        context: { place },
        cause,
      },
    )
  }
  // Our statements are fixed: what the server cannot make sense of is its tables.
  if (code?.startsWith('42') === true) return invalidDatabase(place, `is not an Iceberg catalog (${reason})`, cause)
  return new HindcastError('CATALOG_UNAVAILABLE', `the catalog database ${place} cannot be used: ${reason}`, {
    hint: 'Make sure that the server runs and can be reached from here, and has connections to spare.',
    context: { place },
    cause,
  })
}

const invalidDatabase = (place: string, what: string, cause?: unknown): HindcastError =>
  new HindcastError('CATALOG_INVALID', `the catalog database ${place} ${what}`, {
    hint:
      'Name another database, or mend this one. Tables are not lost with a catalog, each can be registered again from the newest ' +
      'file of its metadata folder.',
    context: { place },
    cause,
  })
