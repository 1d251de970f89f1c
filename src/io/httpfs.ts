import { createHash } from 'node:crypto'
import { quoteIdentifier, quoteString } from '../compile/quote.ts'
import { HindcastError } from '../contract/index.ts'
import type { DuckDb } from './duckdb.ts'
import type { S3Access } from './files/index.ts'

const loaded = new WeakMap<DuckDb, Promise<boolean>>()

/**
 * Whether the engine reads S3 by itself: loads its httpfs extension when first asked. One that is nowhere to be found is no error.
 * @throws CONFIG_INVALID when the configured extension cannot be loaded
 */
export function loadHttpfs(db: DuckDb): Promise<boolean> {
  let result = loaded.get(db)
  if (result === undefined) {
    result = load(db)
    loaded.set(db, result)
  }
  return result
}

async function load(db: DuckDb): Promise<boolean> {
  const { httpfs } = db
  if (httpfs === 'off') return false
  try {
    await db.run(httpfs === undefined ? 'LOAD httpfs' : `LOAD ${quoteString(httpfs)}`)
  } catch (cause) {
    if (httpfs === undefined) return false
    throw new HindcastError('CONFIG_INVALID', `the engine cannot load ${httpfs} (engine.httpfs)`, {
      hint: `Name the httpfs extension of DuckDB ${await versionOf(db)} for this platform, or leave engine.httpfs out: files are then copied to local disk first.`,
      context: { path: httpfs },
      cause,
    })
  }
  // What its user once stored for DuckDB elsewhere has no say here.
  await db.run('SET allow_persistent_secrets = false')
  return true
}

async function versionOf(db: DuckDb): Promise<string> {
  const [row] = await db.rows<{ version: string }>('SELECT version() AS version')
  return row?.version ?? ''
}

/** Gives the engine what it needs to read below a prefix, in place of what it was given for it before. */
export async function grantAccess(db: DuckDb, access: S3Access): Promise<void> {
  const name = `hindcast_${createHash('sha256').update(access.scope).digest('hex').slice(0, 16)}`
  const endpoint = access.endpoint === null ? null : new URL(access.endpoint)
  const options = {
    KEY_ID: access.accessKeyId,
    SECRET: access.secretAccessKey,
    ...(access.sessionToken === null ? {} : { SESSION_TOKEN: access.sessionToken }),
    REGION: access.region,
    URL_STYLE: access.pathStyle ? 'path' : 'vhost',
    ...(endpoint === null ? {} : { ENDPOINT: endpoint.host, USE_SSL: String(endpoint.protocol === 'https:') }),
    SCOPE: access.scope,
  }
  const list = Object.entries(options).map(([option, value]) => `${option} ${quoteString(value)}`)
  try {
    await db.run(
      `CREATE OR REPLACE TEMPORARY SECRET ${quoteIdentifier(name)} (TYPE s3, PROVIDER config, ${list.join(', ')})`,
    )
  } catch (error) {
    // The engine's own words may quote the statement, which holds the keys.
    const code = error instanceof HindcastError && error.code === 'CANCELLED' ? 'CANCELLED' : 'CONFIG_INVALID'
    throw new HindcastError(code, `the engine does not take the access to ${access.scope}`, {
      hint: 'Check storage.s3; with engine.httpfs set to off, files are copied to local disk first.',
    })
  }
}

/** Whether DuckDB addresses this store as we do. */
export const engineReaches = ({ endpoint, region }: S3Access): boolean =>
  endpoint === null ? !region.startsWith('cn-') : new URL(endpoint).pathname === '/'

/**
 * Whether DuckDB takes the path literally: it reads `*`, `[` and `\` as patterns, and what follows `?` as settings, such as another
 * endpoint for the keys to go to.
 */
export const engineTakesLiterally = (uri: string): boolean => !/[*?[\]\\]/.test(uri)
