import * as oauth from 'oauth4webapi'
import { HindcastError, type RestAuthConfig } from '../../contract/index.ts'
import type { Authorization, AuthorizationContext } from './authorization.ts'

/** A token is renewed this long before it ends, or in the last tenth of its life where that is shorter. */
const leewayMs = 60_000

interface Token {
  readonly text: string
  /** Epoch ms; null when the server doesn't say. */
  readonly renewAtMs: number | null
}

/**
 * Tokens by OAuth2's client credentials, the id and secret in the request's body as Iceberg's libraries send them. One request for a
 * token is under way at most.
 */
export function oauth2(
  config: Extract<RestAuthConfig, { readonly type: 'oauth2' }>,
  context: AuthorizationContext,
): Authorization {
  let tokenUri = config.tokenUri ?? `${context.uri}/v1/oauth/tokens`
  let token: Token | null = null
  let pending: Promise<Token> | null = null

  const fetchToken = (): Promise<Token> => {
    pending ??= requestToken(config, tokenUri, context)
      .then((fresh) => (token = fresh))
      .finally(() => (pending = null))
    return pending
  }
  return {
    headers: async ({ headers }) => {
      const due = token === null || (token.renewAtMs !== null && context.now() >= token.renewAtMs)
      const { text } = due || token === null ? await fetchToken() : token
      return { ...headers, authorization: `Bearer ${text}` }
    },
    renew: async () => {
      await fetchToken()
      return true
    },
    configure: (properties) => {
      const given = properties['oauth2-server-uri']
      if (config.tokenUri !== undefined || given === undefined || !URL.canParse(given, `${context.uri}/`)) return
      const url = new URL(given, `${context.uri}/`)
      // The secret goes there: never in the clear where the catalog itself is not.
      if (url.protocol === 'https:' || url.protocol === new URL(context.uri).protocol) tokenUri = url.href
    },
    secrets: () => [config.clientSecret, ...(token === null ? [] : [token.text])],
  }
}

async function requestToken(
  config: Extract<RestAuthConfig, { readonly type: 'oauth2' }>,
  tokenUri: string,
  { timeoutMs, now, uri }: AuthorizationContext,
): Promise<Token> {
  const parameters = new URLSearchParams({ scope: config.scope ?? 'catalog' })
  if (config.audience !== undefined) parameters.set('audience', config.audience)
  if (config.resource !== undefined) parameters.set('resource', config.resource)
  const client: oauth.Client = { client_id: config.clientId }
  const server: oauth.AuthorizationServer = { issuer: uri, token_endpoint: tokenUri }
  const beganMs = now()
  try {
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      oauth.ClientSecretPost(config.clientSecret),
      parameters,
      // Whether http serves is decided by who writes the address: a server on this machine has no certificate.
      { signal: AbortSignal.timeout(timeoutMs), [oauth.allowInsecureRequests]: true },
    )
    const { access_token: text, expires_in: seconds } = await oauth.processClientCredentialsResponse(
      server,
      client,
      response,
    )
    const lifeMs = seconds === undefined ? null : seconds * 1000
    return { text, renewAtMs: lifeMs === null ? null : beganMs + lifeMs - Math.min(leewayMs, lifeMs / 10) }
  } catch (error) {
    throw tokenError(error, tokenUri)
  }
}

/** Without a cause: the library's errors hold the request, and that the secret. */
function tokenError(error: unknown, tokenUri: string): HindcastError {
  if (error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError) {
    const reason = error instanceof oauth.ResponseBodyError ? error.error : `HTTP ${error.status}`
    return new HindcastError('ACCESS_DENIED', `${tokenUri} gives no token: ${reason}`, {
      hint: 'Mend catalog.auth: clientId, clientSecret and scope must be those of a client of this server.',
      context: { tokenUri, status: error.status },
    })
  }
  const answered = error instanceof oauth.OperationProcessingError
  const status = answered && error.cause instanceof Response ? error.cause.status : null
  if (status !== null && status >= 400 && status < 500 && status !== 429) {
    return new HindcastError('ACCESS_DENIED', `${tokenUri} gives no token: HTTP ${status}`, {
      hint: 'Mend catalog.auth.tokenUri: it must be the address where the server gives OAuth2 tokens.',
      context: { tokenUri, status },
    })
  }
  const reason = error instanceof Error ? error.message : String(error)
  return new HindcastError('CATALOG_UNAVAILABLE', `no token can be had from ${tokenUri}: ${reason}`, {
    hint: 'Make sure that the server runs and can be reached from here.',
    context: { tokenUri },
  })
}
