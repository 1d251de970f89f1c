import { HindcastError } from '../contract/index.ts'

/** A window `[t - offset - length, t - offset)` in its parts, each a text for `parsePeriod`. */
export interface WindowParts {
  /** Null: from the beginning of time (`lifetime`). */
  readonly length: string | null
  readonly offset: string | null
}

const period = String.raw`[1-9]\d{0,5}(?:mo|[smhdw])`
const windowPattern = new RegExp(`^(lifetime|${period})(?: offset (${period}))?$`)

/**
 * Parses a window's canonical text: `7d`, `lifetime`, `7d offset 1d`.
 * @throws DEFINITION_INVALID naming `field`
 */
export function parseWindow(text: string, field = 'over'): WindowParts {
  const [, length, offset] = windowPattern.exec(text) ?? []
  if (length === undefined) {
    throw new HindcastError('DEFINITION_INVALID', `${field}: "${text}" is not a length of time`, {
      hint: "Write a whole number and a unit (30s, 15m, 1h, 7d, 2w, 1mo), 'lifetime', or { window: '7d', offset: '1d' }.",
      context: { field, value: text },
    })
  }
  return { length: length === 'lifetime' ? null : length, offset: offset ?? null }
}

/** The output column of a feature over one of its windows: `delay_7d`, `delay_lifetime`, `delay_7d_offset_1d`. */
export const featureColumn = (feature: { readonly name: string }, window: string): string =>
  `${feature.name}_${window.replaceAll(' ', '_')}`
