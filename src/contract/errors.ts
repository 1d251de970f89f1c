/**
 * The closed list of failure codes. Compare codes, not classes: a code survives the trip through Temporal, a class does not.
 * The groups say what the caller can do, and decide whether an activity is retried (see `isRetryable`).
 */
export const errorCodes = {
  // Ask differently.
  USAGE: 'USAGE',
  REQUEST_INVALID: 'REQUEST_INVALID',
  CONFIG_INVALID: 'CONFIG_INVALID',
  DEFINITION_INVALID: 'DEFINITION_INVALID',
  SCHEMA_INCOMPATIBLE: 'SCHEMA_INCOMPATIBLE',
  FEATURE_UNSUPPORTED: 'FEATURE_UNSUPPORTED',
  INPUT_INVALID: 'INPUT_INVALID',
  ACCESS_DENIED: 'ACCESS_DENIED',
  // Not there.
  VIEW_NOT_FOUND: 'VIEW_NOT_FOUND',
  TABLE_NOT_FOUND: 'TABLE_NOT_FOUND',
  SNAPSHOT_NOT_FOUND: 'SNAPSHOT_NOT_FOUND',
  REF_NOT_FOUND: 'REF_NOT_FOUND',
  RUN_NOT_FOUND: 'RUN_NOT_FOUND',
  // Too much, however it was split.
  ENGINE_OUT_OF_MEMORY: 'ENGINE_OUT_OF_MEMORY',
  // Broken bytes.
  CATALOG_INVALID: 'CATALOG_INVALID',
  METADATA_INVALID: 'METADATA_INVALID',
  MANIFEST_INVALID: 'MANIFEST_INVALID',
  DATA_FILE_INVALID: 'DATA_FILE_INVALID',
  // Try again.
  STORAGE_UNAVAILABLE: 'STORAGE_UNAVAILABLE',
  CATALOG_UNAVAILABLE: 'CATALOG_UNAVAILABLE',
  TEMPORAL_UNAVAILABLE: 'TEMPORAL_UNAVAILABLE',
  // Somebody else's doing, or a verdict.
  PORT_IN_USE: 'PORT_IN_USE',
  CONFLICT: 'CONFLICT',
  AUDIT_FAILED: 'AUDIT_FAILED',
  REJECTED: 'REJECTED',
  CANCELLED: 'CANCELLED',
  // Ours.
  INVARIANT_VIOLATED: 'INVARIANT_VIOLATED',
} as const

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes]

const retryable: ReadonlySet<string> = new Set<ErrorCode>([
  'STORAGE_UNAVAILABLE',
  'CATALOG_UNAVAILABLE',
  'TEMPORAL_UNAVAILABLE',
])

/** Whether doing the same thing again can help. */
export const isRetryable = (code: ErrorCode): boolean => retryable.has(code)

export interface HindcastErrorOptions {
  /** How to mend it, as an instruction to the reader. */
  readonly hint?: string
  /** Names and values that locate the fault (file, view, feature, column…); JSON, and never a secret. */
  readonly context?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/** The one error Hindcast throws on purpose: `message` says what and where, `hint` how to mend it. */
export class HindcastError extends Error {
  override readonly name = 'HindcastError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly context: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: HindcastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.context = options.context ?? {}
  }
}

/** `HindcastError` by its code rather than by class, so that two copies of this module agree. */
export const isHindcastError = (error: unknown): error is HindcastError =>
  error instanceof Error && error.name === 'HindcastError' && 'code' in error
