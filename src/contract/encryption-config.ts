import { z } from 'zod'

const keySchema = z
  .strictObject({
    /** Goes into what is encrypted with the key: the name by which it is found again. */
    id: z.string().regex(/^[\w.-]{1,64}$/, 'use up to 64 letters, digits, _, . and -'),
    /** 32 bytes in base64. Write it as `${ENV}`. */
    key: z.string().optional(),
    /** A file with it, relative to the project's folder, in place of `key`. */
    file: z.string().min(1).optional(),
  })
  .refine(({ key, file }) => (key === undefined) !== (file === undefined), { error: 'give key or file, one of them' })

/** `temporal.encryption` of hindcast.config.ts. */
export const encryptionSchema = z.strictObject({
  /** The first one encrypts; all decrypt. */
  keys: z
    .array(keySchema)
    .min(1)
    .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, { error: 'two keys have one id' }),
})

export type EncryptionConfig = z.output<typeof encryptionSchema>
