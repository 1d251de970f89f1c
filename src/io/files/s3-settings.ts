import { HindcastError, type StorageConfig } from '../../contract/index.ts'

/** Where a store is and as whom it is reached. Holds secrets: never print it. */
export type S3Settings = StorageConfig['s3']

/**
 * The settings that a catalog vends for a table (Iceberg's property names) over those of the project. Keys come as a set: a vended key is
 * never joined to another's secret or token.
 * @throws CATALOG_INVALID for a key without its secret; FEATURE_UNSUPPORTED when the catalog would sign every request itself
 */
export function vendedSettings(vended: Readonly<Record<string, string>>, base: S3Settings): S3Settings {
  const accessKeyId = vended['s3.access-key-id']
  const secretAccessKey = vended['s3.secret-access-key']
  const sessionToken = vended['s3.session-token']
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new HindcastError('CATALOG_INVALID', 'the catalog vends half of a pair of storage keys', {
      hint: 'Mend the catalog: s3.access-key-id and s3.secret-access-key belong together.',
    })
  }
  if (vended['s3.remote-signing-enabled'] === 'true' && accessKeyId === undefined && base.accessKeyId === undefined) {
    throw new HindcastError('FEATURE_UNSUPPORTED', 'the catalog wants to sign every request to S3 by itself', {
      hint: 'Let the catalog vend credentials (header X-Iceberg-Access-Delegation: vended-credentials), or set storage.s3.',
    })
  }
  const endpoint = vended['s3.endpoint'] ?? base.endpoint
  const region = vended['s3.region'] ?? vended['client.region'] ?? base.region
  const style = vended['s3.path-style-access']
  const pathStyle = style === undefined ? base.pathStyle : style === 'true'
  const keys =
    accessKeyId === undefined || secretAccessKey === undefined
      ? { accessKeyId: base.accessKeyId, secretAccessKey: base.secretAccessKey, sessionToken: base.sessionToken }
      : { accessKeyId, secretAccessKey, sessionToken }
  return { endpoint, region, pathStyle, ...keys }
}
