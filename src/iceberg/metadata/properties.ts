/** Table properties that Hindcast obeys, with Iceberg's defaults: https://iceberg.apache.org/docs/latest/configuration/#table-properties */
import { HindcastError } from '../../contract/index.ts'
import type { TableMetadata } from './table-metadata.ts'

/**
 * Whole numbers, each at least 0. The retries are more and quicker than Iceberg's own (4, from 100 ms to a minute apart): with those, four busy
 * writers of one table starve each other.
 */
const numberProperties = {
  'commit.retry.num-retries': 30,
  'commit.retry.min-wait-ms': 20,
  'commit.retry.max-wait-ms': 5_000,
  'commit.retry.total-timeout-ms': 1_800_000,
  'commit.manifest.target-size-bytes': 8_388_608,
  'commit.manifest.min-count-to-merge': 100,
  'history.expire.max-snapshot-age-ms': 432_000_000,
  'history.expire.min-snapshots-to-keep': 1,
  'history.expire.max-ref-age-ms': Number.MAX_SAFE_INTEGER,
  'write.metadata.previous-versions-max': 100,
  'write.target-file-size-bytes': 536_870_912,
  'write.parquet.row-group-size-bytes': 134_217_728,
  'read.split.target-size': 134_217_728,
} as const

const booleanProperties = {
  'commit.manifest-merge.enabled': true,
  'write.metadata.delete-after-commit.enabled': false,
  'gc.enabled': true,
} as const

type Properties = Readonly<Record<string, string>>

const invalid = (key: string, value: string, wanted: string): never => {
  throw new HindcastError('METADATA_INVALID', `the table property ${key} is ${JSON.stringify(value)}, not ${wanted}`, {
    hint: 'Set it to a valid value, or remove it for the default.',
    context: { property: key },
  })
}

/** Value or default of a property. @throws METADATA_INVALID naming the property */
export function numberProperty(properties: Properties, key: keyof typeof numberProperties): number {
  const text = properties[key]
  if (text === undefined) return numberProperties[key]
  const value = /^\d{1,19}$/.test(text.trim()) ? Number(text) : invalid(key, text, 'a whole number')
  // Java's Long.MAX_VALUE stands for "never".
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

/** Value or default of a property. @throws METADATA_INVALID naming the property */
export function booleanProperty(properties: Properties, key: keyof typeof booleanProperties): boolean {
  const text = properties[key]?.trim().toLowerCase()
  if (text === undefined) return booleanProperties[key]
  return text === 'true' || text === 'false' ? text === 'true' : invalid(key, text, 'true or false')
}

const withoutSlash = (uri: string): string => uri.replace(/\/+$/, '')

/** URI of the folder where a table's new metadata files, manifests and manifest lists go. */
export const metadataFolder = ({ location, properties }: Pick<TableMetadata, 'location' | 'properties'>): string =>
  withoutSlash(properties['write.metadata.path'] ?? `${withoutSlash(location)}/metadata`)

/** URI of the folder where a table's new data files go. */
export const dataFolder = ({ location, properties }: Pick<TableMetadata, 'location' | 'properties'>): string =>
  withoutSlash(properties['write.data.path'] ?? `${withoutSlash(location)}/data`)
