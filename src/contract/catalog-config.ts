import { z } from 'zod'

/** What Hindcast's tables are called together; the SQL catalogs of Iceberg's other libraries must use the same name. */
const name = z.string().min(1).default('hindcast')

const milliseconds = z.int().positive()

const httpUrl = z.url({ protocol: /^https?$/, error: 'write an http or https address' })

const sqlite = z.strictObject({
  type: z.literal('sqlite').default('sqlite'),
  name,
  /** Relative to the project's folder. */
  file: z.string().min(1).default('.hindcast/catalog.db'),
})

const postgres = z.strictObject({
  type: z.literal('postgres'),
  name,
  /** `postgres://user:password@host:5432/database?sslmode=verify-full`; or the fields below. */
  url: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
  port: z.int().min(1).max(65_535).optional(),
  database: z.string().min(1).optional(),
  user: z.string().min(1).optional(),
  password: z.string().optional(),
  /** `verify` checks the server's certificate, `require` only encrypts; before the URL's `sslmode`. */
  tls: z.enum(['disable', 'require', 'verify']).optional(),
  /** PEM of the authorities to trust. */
  ca: z.string().min(1).optional(),
  /** Of one process. */
  maxConnections: z.int().min(1).max(100).optional(),
  statementTimeoutMs: milliseconds.optional(),
  connectTimeoutMs: milliseconds.optional(),
})

const auth = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({ type: z.literal('bearer'), token: z.string().min(1) }),
  z.strictObject({
    type: z.literal('oauth2'),
    clientId: z.string().min(1),
    clientSecret: z.string().min(1),
    /** Where tokens are had; by default what the catalog says, else its own `v1/oauth/tokens`. */
    tokenUri: httpUrl.optional(),
    scope: z.string().min(1).optional(),
    audience: z.string().min(1).optional(),
    resource: z.string().min(1).optional(),
  }),
  z.strictObject({
    type: z.literal('sigv4'),
    region: z.string().min(1),
    /** Name that requests are signed for: `glue`, `s3tables`, `execute-api`. */
    service: z.string().min(1).default('execute-api'),
    /** By default those of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. */
    accessKeyId: z.string().min(1).optional(),
    secretAccessKey: z.string().min(1).optional(),
    sessionToken: z.string().min(1).optional(),
  }),
])

const rest = z.strictObject({
  type: z.literal('rest'),
  name,
  /** Up to, and without, `/v1`. */
  uri: httpUrl,
  /** As the server names it. */
  warehouse: z.string().min(1).optional(),
  auth: auth.default({ type: 'none' }),
  /** Sent with every request. */
  headers: z.record(z.string().min(1), z.string()).default({}),
  /** Whether the server is asked for storage credentials of each table. */
  vendedCredentials: z.boolean().default(true),
  requestTimeoutMs: milliseconds.default(30_000),
})

/** `catalog` of hindcast.config.ts. */
export const catalogSchema = z.discriminatedUnion('type', [sqlite, postgres, rest], {
  error: 'write sqlite, postgres or rest',
})

export type CatalogConfig = z.output<typeof catalogSchema>
export type CatalogConfigInput = z.input<typeof catalogSchema>
export type RestCatalogConfig = z.output<typeof rest>
export type RestAuthConfig = z.output<typeof auth>
