import { HindcastError, type RestCatalogConfig } from '../../contract/index.ts'
import type { Catalog, FileIO, Table } from '../../iceberg/index.ts'
import { authorization } from './authorization.ts'
import { restHttp, type RestHttpOptions } from './http.ts'
import { restNamespaces } from './namespaces.ts'
import { RestCatalog } from './rest-catalog.ts'
import { readServerSettings } from './server-settings.ts'

export interface RestCatalogOptions {
  readonly tableFiles: (table: Table) => FileIO
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly uuid: () => string
  /** Wait before a request is sent for the second time, in ms; it doubles with each. 200 unless given. */
  readonly retryDelayMs?: number
}

/**
 * Opens a catalog behind Iceberg's REST protocol, and asks the server for its configuration.
 * @throws CONFIG_INVALID when there is no such catalog; ACCESS_DENIED; CATALOG_UNAVAILABLE; never with a secret in their text
 */
export async function openRestCatalog(config: RestCatalogConfig, options: RestCatalogOptions): Promise<Catalog> {
  const uri = baseUri(config.uri)
  const timeoutMs = config.requestTimeoutMs
  const auth = authorization(config.auth, { uri, timeoutMs, now: options.now })
  const headers = Object.fromEntries(Object.entries(config.headers).map(([key, value]) => [key.toLowerCase(), value]))
  const shared: RestHttpOptions = {
    uri,
    authorization: auth,
    timeoutMs,
    headers,
    ...(options.retryDelayMs === undefined ? {} : { retryDelayMs: options.retryDelayMs }),
  }
  const settings = await readServerSettings(restHttp(shared), config, uri)
  auth.configure(settings.properties)
  const http = restHttp({ ...shared, uri: settings.uri })
  return new RestCatalog({
    name: config.name,
    http,
    settings,
    namespaces: restNamespaces(config.name, http, settings),
    vendedCredentials: config.vendedCredentials,
    tableFiles: options.tableFiles,
    now: options.now,
    uuid: options.uuid,
  })
}

function baseUri(given: string): string {
  const url = new URL(given)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new HindcastError('CONFIG_INVALID', 'catalog.uri must be an address alone, without user, password or query', {
      hint: 'Credentials go into catalog.auth, the warehouse into catalog.warehouse.',
    })
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/v1$/, '')
}
