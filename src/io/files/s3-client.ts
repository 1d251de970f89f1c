import { S3Client } from '@aws-sdk/client-s3'
import type { S3Settings } from './s3-settings.ts'
import type { S3Access } from './warehouse-files.ts'

/** Of one request, with pauses that double from 0.1 s up to 20 s. */
const maxAttempts = 6
const connectionTimeoutMs = 5_000
/** Without a byte either way. */
const idleTimeoutMs = 60_000

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/** The client of one store. Its retries cover what passes by itself: throttling, 5xx, broken connections, a clock that is off. */
export function s3Client(settings: S3Settings): S3Client {
  const { endpoint, accessKeyId, secretAccessKey, sessionToken } = settings
  const region = settings.region ?? (endpoint === undefined ? undefined : defaultRegion())
  return new S3Client({
    maxAttempts,
    retryMode: 'standard',
    logger: silent,
    // Else the handler itself prints, when many requests wait for a connection.
    requestHandler: { connectionTimeout: connectionTimeoutMs, socketTimeout: idleTimeoutMs, logger: silent },
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined
      ? {}
      : {
          endpoint,
          // Checksums that newer clients add by themselves are refused by stores that don't know them.
          requestChecksumCalculation: 'WHEN_REQUIRED' as const,
          responseChecksumValidation: 'WHEN_REQUIRED' as const,
        }),
    forcePathStyle: settings.pathStyle ?? endpoint !== undefined,
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
        }),
  })
}

/** What any other program needs to reach a bucket as this client does. */
export async function s3Access(client: S3Client, settings: S3Settings, bucket: string): Promise<S3Access> {
  const [{ accessKeyId, secretAccessKey, sessionToken }, region] = await Promise.all([
    client.config.credentials(),
    client.config.region(),
  ])
  return {
    scope: `s3://${bucket}/`,
    endpoint: settings.endpoint ?? null,
    region,
    pathStyle: settings.pathStyle ?? settings.endpoint !== undefined,
    accessKeyId,
    secretAccessKey,
    sessionToken: sessionToken ?? null,
  }
}

const defaultRegion = (): string => process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1'
