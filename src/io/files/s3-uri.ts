import { HindcastError } from '../../contract/index.ts'
import { normalizeUri } from './uri.ts'

/** An object's place in S3. The key is literal: nothing in it is percent-decoded. */
export interface S3Location {
  readonly bucket: string
  /** Without a slash at its beginning; empty for the bucket itself. */
  readonly key: string
}

/** @throws FEATURE_UNSUPPORTED when it is not a URI of S3 with a bucket */
export function parseS3Uri(uri: string): S3Location {
  const [, bucket, key = ''] = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]+)(?:\/(.*))?$/s.exec(normalizeUri(uri)) ?? []
  if (bucket !== undefined) return { bucket, key }
  throw new HindcastError('FEATURE_UNSUPPORTED', `${uri} is not a place in S3`, {
    hint: 'Write s3://bucket/key.',
    context: { path: uri },
  })
}

export const s3Uri = ({ bucket, key }: S3Location): string => `s3://${bucket}/${key}`
