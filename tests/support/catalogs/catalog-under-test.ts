import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { catalogSchema, type CatalogConfigInput } from '../../../src/contract/index.ts'
import type { Catalog, FileIO } from '../../../src/iceberg/index.ts'
import { openCatalog } from '../../../src/io/catalog.ts'
import { localFiles, toUri } from '../../../src/io/files/index.ts'
import { startTestPostgres } from '../postgres.ts'
import { tempDir } from '../temp-dir.ts'

/** All that another process needs to open the catalog too. JSON. */
export interface CatalogAddress {
  readonly config: CatalogConfigInput
  /** URI. */
  readonly warehouse: string
  /** Local folder that holds what `s3://` names, for a server that has no local files. */
  readonly bucketsDir?: string
}

/** A catalog for the suite: its server runs and its folder is there until the end of the block. */
export interface CatalogUnderTest extends AsyncDisposable {
  readonly address: CatalogAddress
  readonly honoursBranches: boolean
}

/** Files where they are, and `s3://` in a local folder. */
export function filesOf(address: Pick<CatalogAddress, 'bucketsDir'>): FileIO {
  const files = localFiles()
  const { bucketsDir } = address
  if (bucketsDir === undefined) return files
  const local = (path: string): string => path.replace(/^s3a?:\/\//, `file://${bucketsDir}/`)
  return {
    ...files,
    read: (path) => files.read(local(path)),
    create: (path, bytes) => files.create(local(path), bytes),
    replace: (path, bytes) => files.replace(local(path), bytes),
    size: (path) => files.size(local(path)),
    delete: (path) => files.delete(local(path)),
    list: (path) => files.list(local(path)),
  }
}

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
    honoursBranches: true,
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

export async function postgresUnderTest(): Promise<CatalogUnderTest> {
  const dir = await tempDir()
  const server = await startTestPostgres()
  await mkdir(join(dir.path, 'warehouse'))
  return {
    address: { config: { type: 'postgres', url: server.url }, warehouse: toUri(join(dir.path, 'warehouse')) },
    honoursBranches: true,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}
