/** Names of tables and namespaces, and the errors about them: the same in every catalog. */
import { HindcastError, nearest } from '../contract/index.ts'
import { qualifiedName, type TableIdentifier } from '../iceberg/index.ts'

/** Enough for a list that is read, not searched. */
const maxNamesInHint = 20

const isName = (part: string): boolean => /^[\p{L}\p{N}_][\p{L}\p{N}_-]*$/u.test(part)

/** `namespace.table` as an identifier. */
export function tableIdentifier(name: string): TableIdentifier {
  const parts = name.split('.')
  return { namespace: parts.slice(0, -1), name: parts.at(-1) ?? '' }
}

/**
 * Names become folders and are joined by dots.
 * @throws REQUEST_INVALID
 */
export function checkTableName(identifier: TableIdentifier): void {
  if (identifier.namespace.length > 0 && [...identifier.namespace, identifier.name].every(isName)) return
  throw new HindcastError('REQUEST_INVALID', `"${qualifiedName(identifier)}" is no name for a table`, {
    hint: 'Write namespace.table, of letters, digits, _ and -.',
    context: { table: qualifiedName(identifier) },
  })
}

/** @throws REQUEST_INVALID */
export function checkNamespaceName(namespace: readonly string[]): void {
  if (namespace.length > 0 && namespace.every(isName)) return
  throw new HindcastError('REQUEST_INVALID', `"${namespace.join('.')}" is no name for a namespace`, {
    hint: 'Write one or several names of letters, digits, _ and -, joined by dots.',
    context: { namespace: namespace.join('.') },
  })
}

export const tableExistsError = (identifier: TableIdentifier, cause?: unknown): HindcastError =>
  new HindcastError('CONFLICT', `table ${qualifiedName(identifier)} already exists`, {
    hint: 'Load it instead, or choose another name.',
    context: { table: qualifiedName(identifier) },
    cause,
  })

export const namespaceNotEmptyError = (namespace: readonly string[], cause?: unknown): HindcastError =>
  new HindcastError('CONFLICT', `namespace ${namespace.join('.')} is not empty`, {
    hint: 'Drop its tables and the namespaces in it first.',
    context: { namespace: namespace.join('.') },
    cause,
  })

/** @param known the tables there are, for a hint */
export function tableNotFoundError(
  identifier: TableIdentifier,
  catalog: string,
  known: readonly TableIdentifier[],
): HindcastError {
  const names = known.map(qualifiedName)
  const near = nearest(qualifiedName(identifier), names)
  const list =
    names.length === 0 ? 'It has no tables there yet.' : `Tables: ${names.slice(0, maxNamesInHint).join(', ')}.`
  return new HindcastError('TABLE_NOT_FOUND', `there is no table ${qualifiedName(identifier)} in catalog ${catalog}`, {
    hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : list,
    context: { table: qualifiedName(identifier), nearest: near },
  })
}
