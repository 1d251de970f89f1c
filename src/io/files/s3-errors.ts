import { HindcastError } from '../../contract/index.ts'
import type { S3Settings } from './s3-settings.ts'
import { noSuchFile } from './warehouse-files.ts'

/** What is read off an error of the SDK, which is a class a failure, with fields of its own. */
interface Answer {
  readonly name: string
  readonly message: string
  readonly status: number | undefined
  /** Where the store says that the bucket lies. */
  readonly region: string | undefined
}

export const statusOf = (error: unknown): number | undefined => answerOf(error).status

/** Whether S3 itself says so by this code; a HEAD request has no body, and so no code. */
export const isCode = (error: unknown, ...codes: readonly string[]): boolean => codes.includes(answerOf(error).name)

const checkEndpoint = 'Look into the network and the store; its address is storage.s3.endpoint.'
const checkKeys =
  'Check storage.s3.accessKeyId and secretAccessKey, or what the environment, profile or instance gives in their place.'

const reasons: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  NoSuchBucket: ['there is no such bucket', 'Create the bucket, or mend its name in `warehouse`.'],
  InvalidBucketName: ['this is no name of a bucket', 'Mend the bucket’s name in `warehouse`.'],
  AccessDenied: ['access denied', 'Allow these keys s3:GetObject, PutObject, DeleteObject and ListBucket there.'],
  AllAccessDisabled: ['the bucket is closed', 'Ask the store’s owner to open it.'],
  InvalidAccessKeyId: ['the store does not know the access key', checkKeys],
  SignatureDoesNotMatch: ['the secret key is not the access key’s', checkKeys],
  CredentialsProviderError: ['there are no credentials', checkKeys],
  ExpiredToken: ['the credentials have expired', 'Get new ones; loading the table again renews what a catalog vends.'],
  ExpiredTokenException: ['the credentials have expired', 'Log in again.'],
  InvalidToken: ['the session token is not valid', 'Get new credentials: key, secret and token come together.'],
  RequestTimeTooSkewed: ['this machine’s clock differs too much from the store’s', 'Set the clock.'],
  SlowDown: ['the store asks to go slower', 'Lower limits.concurrency, or try again later.'],
  QuotaExceeded: ['the store’s quota is used up', 'Free some space, then run again.'],
  XMinioStorageFull: ['the store is full', 'Free some space, then run again.'],
  InvalidObjectState: ['the object is archived', 'Restore it from the archive.'],
  KeyTooLongError: ['the name is too long', 'Use shorter names of columns and partitions.'],
}

/**
 * A failure of the SDK as ours. Its own errors may carry tokens and signed requests among their fields: the cause is a bare copy of name
 * and message.
 */
export function s3Error(error: unknown, doing: string, uri: string, settings: S3Settings): HindcastError {
  if (error instanceof HindcastError) return error
  const answer = answerOf(error)
  const { name, status } = answer
  const cause = new Error(withoutSecrets(`${name}: ${answer.message}`, settings))
  const unavailable = (reason: string, hint: string): HindcastError =>
    new HindcastError('STORAGE_UNAVAILABLE', `cannot ${doing} ${uri}: ${reason}`, {
      hint,
      context: { path: uri, code: name, ...(status === undefined ? {} : { status }) },
      cause,
    })
  if (name === 'NoSuchKey' || (name === 'NotFound' && status === 404)) return noSuchFile(uri, cause)
  const known = reasons[name]
  if (known !== undefined) return unavailable(...known)
  if (isOtherRegion(answer)) {
    const where = answer.region === undefined ? 'another region' : `region ${answer.region}`
    const set = answer.region === undefined ? 'the bucket’s region' : `'${answer.region}'`
    return unavailable(`the bucket lies in ${where}`, `Set storage.s3.region to ${set}.`)
  }
  if (/region is missing/i.test(answer.message)) {
    return unavailable('no region is known', 'Set storage.s3.region, or AWS_REGION.')
  }
  if (name === 'NotImplemented' || status === 501) {
    return new HindcastError('FEATURE_UNSUPPORTED', `cannot ${doing} ${uri}: the store does not implement it`, {
      hint: 'Use a store that implements S3’s multipart uploads, ranges and conditional writes.',
      context: { path: uri },
      cause,
    })
  }
  if (status === 401 || status === 403) return unavailable(...(reasons['AccessDenied'] ?? ['access denied', checkKeys]))
  if (/deserialization error/i.test(answer.message)) {
    return unavailable('what answers there is not S3', 'Mend storage.s3.endpoint.')
  }
  if (status !== undefined && status >= 500) return unavailable(`the store failed (${status} ${name})`, checkEndpoint)
  if (status === undefined) {
    const place = settings.endpoint === undefined ? '' : ` to ${settings.endpoint}`
    return unavailable(`no connection${place} (${codeOf(error) ?? name})`, checkEndpoint)
  }
  return unavailable(`${status} ${name}: ${cause.message.slice(name.length + 2)}`, checkEndpoint)
}

function isOtherRegion({ name, status, region }: Answer): boolean {
  const names = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException']
  return names.includes(name) || status === 301 || (status === 400 && region !== undefined)
}

function answerOf(error: unknown): Answer {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>
  const metadata = fields['$metadata'] as { readonly httpStatusCode?: number } | undefined
  const response = fields['$response'] as { readonly headers?: Readonly<Record<string, string>> } | undefined
  const region = fields['Region'] ?? response?.headers?.['x-amz-bucket-region']
  return {
    name: String(fields['Code'] ?? fields['name'] ?? 'Error'),
    message: error instanceof Error ? error.message : String(error),
    status: metadata?.httpStatusCode,
    region: typeof region === 'string' && region !== '' ? region : undefined,
  }
}

/** The operating system's code, which the SDK leaves on the error or on one inside it. */
function codeOf(error: unknown): string | undefined {
  const inner = error instanceof AggregateError ? error.errors[0] : error
  if (!(inner instanceof Error)) return undefined
  const code = 'code' in inner ? inner.code : undefined
  return typeof code === 'string' ? code : codeOf(inner.cause)
}

function withoutSecrets(text: string, { secretAccessKey, sessionToken }: S3Settings): string {
  let clean = text
  for (const secret of [secretAccessKey, sessionToken]) {
    if (secret !== undefined) clean = clean.replaceAll(secret, '…')
  }
  return clean
}
