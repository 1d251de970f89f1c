import type { Table } from '../../iceberg/index.ts'
import { openFiles } from './open-files.ts'
import { presentRoots, type HasTables, type PresentRoots } from './present-roots.ts'
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
  /** Tells a local root that is new from one that is away. Unless given, one is new until it was seen to hold something. */
  readonly hasTables?: HasTables
}

/** A project's files. Whatever is written or deleted goes through one of the two, and so stays below the roots. */
export interface ProjectStorage {
  readonly files: WarehouseFiles
  /**
   * The files of one table, by the storage credentials that its catalog vends with it, where it vends any; they last as long as these do, so
   * ask again with a table loaded anew.
   */
  readonly tableFiles: (table: Pick<Table, 'config' | 'storageCredentials' | 'metadata'>) => WarehouseFiles
  /** @throws STORAGE_UNAVAILABLE when a local root is away, which programs that read its files by themselves may not notice */
  readonly requireRoots: PresentRoots['requireAll']
}

export function openStorage({
  s3,
  roots,
  trustLocations = false,
  hasTables = () => Promise.resolve(false),
}: StorageOptions): ProjectStorage {
  const knownStores = new Map<string, Promise<boolean>>()
  const present = presentRoots(roots, hasTables)
  const files = present.guard(within(openFiles({ s3, roots, knownStores }), roots))
  return {
    files,
    requireRoots: present.requireAll,
    tableFiles: ({ config, storageCredentials = [], metadata }) => {
      if (config === undefined && storageCredentials.length === 0 && !trustLocations) return files
      const own = vendedSettings(config ?? {}, s3)
      const prefixes = storageCredentials.map((vended) => ({
        prefix: vended.prefix,
        s3: vendedSettings(vended.config, own),
      }))
      const scope = `${metadata.location.replace(/\/+$/, '')}/`
      const tableRoots = trustLocations ? [...roots, metadata.location] : roots
      return present.guard(
        within(openFiles({ s3: own, scope: normalizeUri(scope), prefixes, roots, knownStores }), tableRoots),
      )
    },
  }
}
