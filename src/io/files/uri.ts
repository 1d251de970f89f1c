import { isAbsolute } from 'node:path'
import { normalize } from 'node:path/posix'
import { HindcastError } from '../../contract/index.ts'

/** Schemes that name the same place as S3: Hadoop's clients write the last two. */
const s3Schemes: ReadonlySet<string> = new Set(['s3', 's3a', 's3n'])

/**
 * The one spelling of a place: two URIs that name the same file give the same text. `s3a:` and `s3n:` become `s3:`, every form of a local
 * path `file:///…` without doubled slashes and dot segments. Keys of S3 stay as they are, for there `a//b` and `a/b` are two objects; so
 * do URIs of other schemes.
 */
export function normalizeUri(uri: string): string {
  const scheme = schemeOf(uri)
  if (scheme === 'file') return toUri(normalize(toPath(uri)))
  const rest = uri.slice(uri.indexOf(':'))
  return s3Schemes.has(scheme) ? `s3${rest}` : `${scheme}${rest}`
}

/** The scheme in lower case; `file` for a bare absolute path. @throws FEATURE_UNSUPPORTED when there is none */
export function schemeOf(uri: string): string {
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri) ?? []
  if (scheme !== undefined) return scheme.toLowerCase()
  if (isAbsolute(uri)) return 'file'
  throw new HindcastError('FEATURE_UNSUPPORTED', `${uri} is neither a URI nor an absolute path`, {
    hint: 'Paths in table metadata are whole: file:///folder/file or s3://bucket/key.',
    context: { path: uri },
  })
}

export const isLocal = (uri: string): boolean => schemeOf(uri) === 'file'

/**
 * The local path of a `file:` URI. Iceberg's readers take paths literally, so nothing is percent-decoded; `file:/x`, as Hadoop
 * writes it, and a bare absolute path are understood too.
 * @throws FEATURE_UNSUPPORTED for any other scheme, or the file of another host
 */
export function toPath(uri: string): string {
  const path = uri.replace(/^file:(\/\/localhost(?=\/)|\/\/)?/i, '')
  if (!isAbsolute(path)) {
    throw new HindcastError('FEATURE_UNSUPPORTED', `${uri} is not a local file`, {
      hint: 'Paths of a local warehouse begin with file:///.',
      context: { path: uri },
    })
  }
  return path
}

/** The URI of an absolute local path, unencoded as Iceberg has it. */
export function toUri(path: string): string {
  if (!isAbsolute(path)) throw new HindcastError('INVARIANT_VIOLATED', `${path} is not an absolute path`)
  return `file://${path}`
}
