import { z } from 'zod'

/** A folder on local disk or in S3. */
export const placeSchema = z
  .string()
  .min(1)
  .regex(/^(?!\w+:)|^s3[an]?:\/\/[A-Za-z0-9][A-Za-z0-9._-]+(\/|$)|^file:\//, 'write a folder, or s3://bucket/prefix')

/** Where S3, or a store that speaks its protocol, is reached, and as whom. */
export const s3ConfigSchema = z.strictObject({
  /** Of a store other than Amazon's: `https://minio.example:9000`. */
  endpoint: z
    .url({ protocol: /^https?$/, error: 'write an http or https address' })
    .refine((url) => !URL.canParse(url) || new URL(url).username === '', 'leave user and password out of the address')
    .optional(),
  /** By default what the environment says; with an endpoint of its own, `us-east-1`. */
  region: z.string().min(1).optional(),
  /** Without keys, AWS's own chain is asked: environment, profile, web identity, container, instance. Write secrets as `${ENV}`. */
  accessKeyId: z.string().min(1).optional(),
  secretAccessKey: z.string().min(1).optional(),
  sessionToken: z.string().min(1).optional(),
  /** Buckets in the path rather than in the host's name; by default true with an endpoint of its own. */
  pathStyle: z.boolean().optional(),
})

/** `storage` of hindcast.config.ts. */
export const storageSchema = z.strictObject({
  s3: s3ConfigSchema
    .refine(({ accessKeyId, secretAccessKey }) => (accessKeyId === undefined) === (secretAccessKey === undefined), {
      error: 'give accessKeyId and secretAccessKey both, or neither',
    })
    .refine(({ accessKeyId, sessionToken }) => sessionToken === undefined || accessKeyId !== undefined, {
      error: 'a sessionToken needs the keys that it came with',
    })
    .prefault({}),
  /**
   * Folders outside the warehouse (local, relative to the project's, or `s3://…`) that tables may lie in. Nothing else is ever written to or
   * deleted from.
   */
  alsoWritable: z.array(placeSchema).default([]),
})

export type StorageConfig = z.output<typeof storageSchema>
