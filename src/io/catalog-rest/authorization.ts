import { HindcastError, type RestAuthConfig } from '../../contract/index.ts'
import { oauth2 } from './oauth2.ts'
import { sigV4 } from './sigv4.ts'

/** A request as it will be sent. Header names are in lower case. */
export interface OutgoingRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** How requests say who sends them. */
export interface Authorization {
  /** The request's headers with those that prove its sender. @throws ACCESS_DENIED, CATALOG_UNAVAILABLE */
  headers(request: OutgoingRequest): Promise<Readonly<Record<string, string>>>
  /** Asks for a new proof after the server refused the last one; false where there is none but that. */
  renew(): Promise<boolean>
  /** Told what the server's configuration says. */
  configure(properties: Readonly<Record<string, string>>): void
  /** Texts that must not show up in a message, as they are now. */
  secrets(): readonly string[]
}

export interface AuthorizationContext {
  /** URI of the catalog, up to and without `/v1`. */
  readonly uri: string
  readonly timeoutMs: number
  /** Epoch ms. */
  readonly now: () => number
}

const noMore = async (): Promise<boolean> => false

export function authorization(config: RestAuthConfig, context: AuthorizationContext): Authorization {
  switch (config.type) {
    case 'none':
      return { headers: async ({ headers }) => headers, renew: noMore, configure: () => {}, secrets: () => [] }
    case 'bearer':
      if (!/^[\x21-\x7e]+$/.test(config.token)) {
        throw new HindcastError('CONFIG_INVALID', 'catalog.auth.token is no bearer token', {
          hint: 'A token is one word of ASCII characters; look for a line break at its end.',
        })
      }
      return {
        headers: async ({ headers }) => ({ ...headers, authorization: `Bearer ${config.token}` }),
        renew: noMore,
        configure: () => {},
        secrets: () => [config.token],
      }
    case 'oauth2':
      return oauth2(config, context)
    case 'sigv4':
      return sigV4(config, context)
  }
}
