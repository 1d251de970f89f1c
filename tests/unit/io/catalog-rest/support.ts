import { catalogSchema, type CatalogConfigInput } from '../../../../src/contract/index.ts'
import {
  applyUpdates,
  jsonText,
  newTableMetadata,
  tableMetadataToJson,
  type Catalog,
  type Table,
  type TableChange,
} from '../../../../src/iceberg/index.ts'
import { openRestCatalog } from '../../../../src/io/catalog-rest/index.ts'
import { localFiles } from '../../../../src/io/files/index.ts'
import {
  scriptedServer,
  type Scripted,
  type ScriptedServer,
  type SeenRequest,
} from '../../../support/scripted-server.ts'

export const identifier = { namespace: ['raw'], name: 'events' }

/** Beyond what a double holds. */
export const snapshotId = 7_926_889_530_948_516_885n

export const table: Table = {
  identifier,
  metadataLocation: 's3://bucket/raw/events/metadata/00001-x.metadata.json',
  metadata: newTableMetadata(
    {
      schema: { schemaId: 0, fields: [{ id: 1, name: 'id', required: false, type: 'long' }] },
      spec: { specId: 0, fields: [] },
    },
    { uuid: '9c12d441-03fe-4693-9a96-a0705ddf69c1', location: 's3://bucket/raw/events', nowMs: 1_000 },
  ),
}

export const change: TableChange = {
  requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: null }],
  updates: [
    {
      action: 'add-snapshot',
      snapshot: {
        snapshotId,
        sequenceNumber: 1n,
        timestampMs: 2_000,
        manifestList: 's3://bucket/raw/events/metadata/snap.avro',
        summary: { operation: 'append' },
        schemaId: 0,
      },
    },
    { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId } },
  ],
}

/** The table with a change applied. */
export const applied = (to: TableChange = change): Table => ({
  ...table,
  metadata: applyUpdates(table.metadata, to.updates, { nowMs: 2_000 }),
})

/** As a server answers it: ids whole, which `JSON.stringify` would refuse. */
export const tableBody = ({ metadata, metadataLocation }: Table, more: object = {}): string =>
  jsonText({ 'metadata-location': metadataLocation, metadata: tableMetadataToJson(metadata), ...more })

export const failure = (status: number, type = 'Failure', message = 'no'): Scripted => ({
  status,
  body: { error: { message, type, code: status } },
})

/** A catalog on a server that answers its first request, for the configuration, as given, and all others by the script. */
export async function scriptedCatalog(
  script: (request: SeenRequest) => Scripted | 'reset' | 'hang',
  options: {
    readonly config?: object
    readonly catalog?: Partial<CatalogConfigInput>
    readonly now?: () => number
  } = {},
): Promise<{ readonly server: ScriptedServer; readonly catalog: Catalog } & AsyncDisposable> {
  const server = await scriptedServer((request) =>
    request.path.startsWith('/v1/config')
      ? { status: 200, body: { defaults: {}, overrides: {}, ...options.config } }
      : script(request),
  )
  try {
    const catalog = await openScripted(server.uri, options.catalog, options.now)
    return { server, catalog, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

export function openScripted(uri: string, more: object = {}, now: () => number = Date.now): Promise<Catalog> {
  const config = catalogSchema.parse({ type: 'rest', uri, ...more })
  if (config.type !== 'rest') throw new Error('no REST catalog')
  return openRestCatalog(config, {
    tableFiles: () => localFiles(),
    now,
    uuid: () => 'abcdef01-0000-4000-8000-000000000000',
    retryDelayMs: 1,
  })
}
