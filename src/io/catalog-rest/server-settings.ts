import { HindcastError, type RestCatalogConfig } from '../../contract/index.ts'
import type { TableIdentifier } from '../../iceberg/index.ts'
import type { RestHttp } from './http.ts'
import { objectOf, textsOf } from './json.ts'

/** What `GET /v1/config` says of a server, and the paths that follow from it. */
export interface ServerSettings {
  /** The server's overrides over its defaults. */
  readonly properties: Readonly<Record<string, string>>
  /**
   * The server takes a first snapshot though its commit asserts that there is none: of two writers that make the first, one loses its
   * rows. Nessie does (0.99; later ones check), and shows in its answers nothing by which it could be noticed.
   */
  readonly ignoresEmptyMain: boolean
  /** Where the server wants to be called from now on; without a slash at its end. */
  readonly uri: string
  /** Whether the server has an endpoint, `HEAD …/tables/{table}`; null when it does not say which it has. */
  has(endpoint: string): boolean | null
  readonly paths: {
    readonly namespaces: string
    readonly rename: string
    namespace(namespace: readonly string[]): string
    tables(namespace: readonly string[]): string
    register(namespace: readonly string[]): string
    table(identifier: TableIdentifier): string
    /** A query that asks for the namespaces below one. */
    parent(namespace: readonly string[]): string
  }
}

/** The unit separator, percent-encoded: what joins the levels of a namespace unless the server says otherwise. */
const defaultSeparator = '%1F'

/** @throws CONFIG_INVALID when the server knows no such warehouse; what `RestHttp` throws */
export async function readServerSettings(
  http: RestHttp,
  config: RestCatalogConfig,
  uri: string,
): Promise<ServerSettings> {
  const query = config.warehouse === undefined ? '' : `?warehouse=${encodeURIComponent(config.warehouse)}`
  const answer = await http.send({ method: 'GET', path: `/v1/config${query}` })
  if (answer.status !== 'ok') {
    const why = answer.status === 'refused' ? answer.message : answer.cause.message
    throw new HindcastError('CONFIG_INVALID', `${uri} is no Iceberg REST catalog as configured: ${why}`, {
      hint: 'catalog.uri goes up to, and without, /v1; catalog.warehouse is the name the server has for it.',
      context: { uri, ...(config.warehouse === undefined ? {} : { warehouse: config.warehouse }) },
    })
  }
  const json = objectOf(answer.json)
  const properties = { ...textsOf(json['defaults']), ...textsOf(json['overrides']) }
  return serverSettings(properties, json['endpoints'], uri)
}

export function serverSettings(
  properties: Readonly<Record<string, string>>,
  endpoints: unknown,
  configuredUri: string,
): ServerSettings {
  const separator = separatorOf(properties['namespace-separator'])
  // As it comes: a server encodes in it what must be.
  const prefix = (properties['prefix'] ?? '').replace(/^\/+|\/+$/g, '')
  const root = prefix === '' ? '/v1' : `/v1/${prefix}`
  const known = Array.isArray(endpoints) ? new Set(endpoints.map(String)) : null
  const encoded = (namespace: readonly string[]): string => namespace.map(encodeURIComponent).join(separator)
  const namespacePath = (namespace: readonly string[]): string => `${root}/namespaces/${encoded(namespace)}`
  return {
    properties,
    ignoresEmptyMain: properties['nessie.is-nessie-catalog'] === 'true',
    uri: uriOf(properties['uri'], configuredUri),
    has: (endpoint) => known?.has(endpoint.replace('…', '/v1/{prefix}/namespaces/{namespace}')) ?? null,
    paths: {
      namespaces: `${root}/namespaces`,
      rename: `${root}/tables/rename`,
      namespace: namespacePath,
      tables: (namespace) => `${namespacePath(namespace)}/tables`,
      register: (namespace) => `${namespacePath(namespace)}/register`,
      table: ({ namespace, name }) => `${namespacePath(namespace)}/tables/${encodeURIComponent(name)}`,
      parent: (namespace) => `parent=${encoded(namespace)}`,
    },
  }
}

/** Servers send it percent-encoded, `%2E`; older ones as the character itself. */
function separatorOf(given: string | undefined): string {
  if (given === undefined || given === '') return defaultSeparator
  return /^(%[0-9A-Fa-f]{2})+$/.test(given) ? given : encodeURIComponent(given)
}

/** A server may move us to another path of its own, as Nessie does, but not to another server: our secrets go with the requests. */
function uriOf(given: string | undefined, configured: string): string {
  if (given === undefined || !URL.canParse(given) || new URL(given).origin !== new URL(configured).origin)
    return configured
  return given.replace(/\/+$/, '')
}
