import { HindcastError } from './errors.ts'
import { parseDuration, type Micros } from './instant.ts'

/** A length of time: of fixed length, or calendar months. */
export type Period =
  { readonly kind: 'fixed'; readonly micros: Micros } | { readonly kind: 'months'; readonly months: bigint }

/**
 * Parses a length of time that may be calendar months: `15m`, `7d`, `2w`, `1mo`, `12mo`.
 * @throws DEFINITION_INVALID naming `field`
 */
export function parsePeriod(text: string, field: string): Period {
  const months = /^([1-9]\d{0,3})mo$/.exec(text)?.[1]
  if (months !== undefined) return { kind: 'months', months: BigInt(months) }
  try {
    return { kind: 'fixed', micros: parseDuration(text, field) }
  } catch (error) {
    if (!(error instanceof HindcastError)) throw error
    throw new HindcastError(error.code, error.message, {
      hint: 'Write a whole number and a unit: 30s, 15m, 1h, 7d, 2w or 1mo.',
      context: error.context,
    })
  }
}
