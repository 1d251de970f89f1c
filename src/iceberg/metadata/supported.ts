/** What a table may ask for and does not get: it is refused by name when it is loaded, before anything can be misread or lost. */
import { HindcastError } from '../../contract/index.ts'
import type { JsonObject } from './json-fields.ts'

export const refuseVersion = (location: string, formatVersion: number): HindcastError =>
  new HindcastError('FEATURE_UNSUPPORTED', `table metadata ${location} has Iceberg format version ${formatVersion}`, {
    hint: 'Versions 1, 2 and 3 are read, and a table cannot be lowered: write it again as version 3.',
    context: { path: location, formatVersion },
  })

/** @throws FEATURE_UNSUPPORTED for a table whose files, or some of them, are encrypted */
export function refuseEncrypted(
  json: JsonObject,
  properties: Readonly<Record<string, string>>,
  location: string,
): void {
  const keys: unknown = json['encryption-keys']
  const snapshots: unknown = json['snapshots']
  const sign =
    Array.isArray(keys) && keys.length > 0
      ? '"encryption-keys"'
      : Object.hasOwn(properties, 'encryption.key-id')
        ? 'the table property encryption.key-id'
        : Array.isArray(snapshots) && snapshots.some((snapshot: unknown) => hasKey(snapshot))
          ? 'a snapshot with a "key-id"'
          : null
  if (sign === null) return
  throw new HindcastError(
    'FEATURE_UNSUPPORTED',
    `table metadata ${location} is of an encrypted table: it has ${sign}`,
    {
      hint: 'Encrypted tables are neither read nor written here: copy the table to one that is not encrypted.',
      context: { path: location },
    },
  )
}

const hasKey = (snapshot: unknown): boolean =>
  typeof snapshot === 'object' && snapshot !== null && typeof (snapshot as JsonObject)['key-id'] === 'string'
