import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { catalogSchema, type CatalogConfigInput } from '../../../src/contract/index.ts'
import type { Catalog, FileIO } from '../../../src/iceberg/index.ts'
import { openCatalog } from '../../../src/io/catalog.ts'
import { openFiles, toUri, type S3Settings } from '../../../src/io/files/index.ts'
import { startTestPostgres } from '../postgres.ts'
import { tempDir } from '../temp-dir.ts'

/** All that another process needs to open the catalog too. JSON. */
export interface CatalogAddress {
  readonly config: CatalogConfigInput
  /** URI. */
  readonly warehouse: string
  /** Where `s3://` is, for a server that has no local files. */
  readonly s3?: S3Settings
}

/** What a catalog's server does not do; the suite then asks that it is refused. */
export type Lack =
  | 'branches'
  /** Metadata names no snapshot but the one that is shown, and not what that stands on. */
  | 'history'
  /** New tables get other field ids than they were given. */
  | 'field ids'
  /** A first snapshot is not checked: new tables get one of nothing. */
  | 'empty tables'

/** A catalog for the suite: its server runs and its folder is there until the end of the block. */
export interface CatalogUnderTest extends AsyncDisposable {
  readonly address: CatalogAddress
  readonly lacks: readonly Lack[]
}

export const filesOf = ({ s3 }: Pick<CatalogAddress, 's3'>): FileIO => openFiles(s3 === undefined ? {} : { s3 })

export function openAddress(address: CatalogAddress): Promise<Catalog> {
  return openCatalog(catalogSchema.parse(address.config), {
    dir: '/',
    warehouse: address.warehouse,
    io: filesOf(address),
    now: Date.now,
    uuid: randomUUID,
  })
}

export async function sqliteUnderTest(): Promise<CatalogUnderTest> {
  const dir = await tempDir()
  return {
    address: {
      config: { type: 'sqlite', file: join(dir.path, 'catalog.db') },
      warehouse: toUri(join(dir.path, 'warehouse')),
    },
    lacks: [],
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

export async function postgresUnderTest(): Promise<CatalogUnderTest> {
  const dir = await tempDir()
  const server = await startTestPostgres()
  await mkdir(join(dir.path, 'warehouse'))
  return {
    address: { config: { type: 'postgres', url: server.url }, warehouse: toUri(join(dir.path, 'warehouse')) },
    lacks: [],
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}
