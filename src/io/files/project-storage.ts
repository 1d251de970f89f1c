import type { Table } from '../../iceberg/index.ts'
import { openFiles } from './open-files.ts'
import { vendedSettings, type S3Settings } from './s3-settings.ts'
import { normalizeUri } from './uri.ts'
import type { WarehouseFiles } from './warehouse-files.ts'
import { within } from './within.ts'

export interface StorageOptions {
  /** How S3 is reached, unless a catalog vends something else for a table. */
  readonly s3: S3Settings
  /** URIs of the folders below which files may be written and deleted. */
  readonly roots: readonly string[]
  /** Whether tables may also be written where the catalog says that they lie: one that answers for its tables (REST), not a pointer to files. */
  readonly trustLocations?: boolean
}

/** A project's files. Whatever is written or deleted goes through one of the two, and so stays below the roots. */
export interface ProjectStorage {
  readonly files: WarehouseFiles
  /**
   * The files of one table, by the storage credentials that its catalog vends with it, where it vends any; they last as long as these do, so
   * ask again with a table loaded anew.
   */
  readonly tableFiles: (table: Pick<Table, 'config' | 'storageCredentials' | 'metadata'>) => WarehouseFiles
}

export function openStorage({ s3, roots, trustLocations = false }: StorageOptions): ProjectStorage {
  const knownStores = new Map<string, Promise<boolean>>()
  const files = within(openFiles({ s3, knownStores }), roots)
  return {
    files,
    tableFiles: ({ config, storageCredentials = [], metadata }) => {
      if (config === undefined && storageCredentials.length === 0 && !trustLocations) return files
      const own = vendedSettings(config ?? {}, s3)
      const prefixes = storageCredentials.map((vended) => ({
        prefix: vended.prefix,
        s3: vendedSettings(vended.config, own),
      }))
      const scope = `${metadata.location.replace(/\/+$/, '')}/`
      const tableRoots = trustLocations ? [...roots, metadata.location] : roots
      return within(openFiles({ s3: own, scope: normalizeUri(scope), prefixes, knownStores }), tableRoots)
    },
  }
}
