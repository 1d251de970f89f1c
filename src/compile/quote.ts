/** Names and text as they stand in DuckDB's SQL: the one place where they are quoted. */

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

export const quoteString = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Two of these names that DuckDB takes for one, as it does where only the case of ASCII letters differs; null where there are none. */
export function clashingNames(names: Iterable<string>): readonly [first: string, second: string] | null {
  const known = new Map<string, string>()
  for (const name of names) {
    const folded = foldedName(name)
    const other = known.get(folded)
    if (other !== undefined) return [other, name]
    known.set(folded, name)
  }
  return null
}

/** What DuckDB compares of a name. */
export const foldedName = (name: string): string => name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
