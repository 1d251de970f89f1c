import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import { HindcastError, type RestAuthConfig } from '../../contract/index.ts'
import type { Authorization, AuthorizationContext } from './authorization.ts'

/** Signs each request by AWS Signature Version 4, as AWS Glue, S3 Tables and API Gateway ask for it. */
export function sigV4(
  config: Extract<RestAuthConfig, { readonly type: 'sigv4' }>,
  { now }: Pick<AuthorizationContext, 'now'>,
): Authorization {
  const credentials = credentialsOf(config)
  const signer = new SignatureV4({ service: config.service, region: config.region, credentials, sha256: Sha256 })
  return {
    headers: async ({ method, url, headers, body }) => {
      const query: Record<string, string | string[]> = {}
      for (const key of new Set(url.searchParams.keys())) query[key] = url.searchParams.getAll(key)
      const signed = await signer.sign(
        {
          method,
          protocol: url.protocol,
          hostname: url.hostname,
          ...(url.port === '' ? {} : { port: Number(url.port) }),
          path: url.pathname,
          query,
          headers: { ...headers, host: url.host },
          ...(body === undefined ? {} : { body }),
        },
        { signingDate: new Date(now()) },
      )
      // `fetch` sets it by itself, to the same.
      const { host: _, ...others } = signed.headers
      return others
    },
    renew: async () => false,
    configure: () => {},
    secrets: () => [credentials.secretAccessKey, credentials.sessionToken].filter((secret) => secret !== undefined),
  }
}

interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

function credentialsOf(config: Extract<RestAuthConfig, { readonly type: 'sigv4' }>): Credentials {
  const { accessKeyId, secretAccessKey, sessionToken } = config
  const own = accessKeyId !== undefined || secretAccessKey !== undefined
  const id = own ? accessKeyId : process.env['AWS_ACCESS_KEY_ID']
  const secret = own ? secretAccessKey : process.env['AWS_SECRET_ACCESS_KEY']
  const session = own ? sessionToken : process.env['AWS_SESSION_TOKEN']
  if (id === undefined || secret === undefined) {
    throw new HindcastError('CONFIG_INVALID', 'the catalog’s requests cannot be signed: no AWS credentials', {
      hint: 'Give catalog.auth.accessKeyId and secretAccessKey, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    })
  }
  return { accessKeyId: id, secretAccessKey: secret, ...(session === undefined ? {} : { sessionToken: session }) }
}
