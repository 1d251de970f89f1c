import { HindcastError } from '../../contract/index.ts'
import type { FormatVersion } from '../metadata/table-metadata.ts'
import type { WrittenVersion } from './avro-schemas.ts'

/** @throws FEATURE_UNSUPPORTED for version 1, which is only read */
export function writtenVersion(formatVersion: FormatVersion): WrittenVersion {
  if (formatVersion !== 1) return formatVersion
  throw new HindcastError('FEATURE_UNSUPPORTED', 'the table has format version 1, which is only read', {
    hint: "Raise it to version 2 first (Spark: ALTER TABLE … SET TBLPROPERTIES ('format-version' = '2')); its files stay as they are.",
    context: { formatVersion },
  })
}

/** @throws FEATURE_UNSUPPORTED for a manifest or manifest list of a version that is not known here */
export function checkFormatVersion(header: ReadonlyMap<string, string>, path: string): void {
  const version = header.get('format-version')
  // Early writers of version 1 don't say.
  if (version === undefined || version === '1' || version === '2' || version === '3') return
  throw new HindcastError('FEATURE_UNSUPPORTED', `${path} has format version ${version.slice(0, 20)}`, {
    hint: 'Versions 1, 2 and 3 are read.',
    context: { path },
  })
}
