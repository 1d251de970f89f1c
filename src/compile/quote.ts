/** Names and text as they stand in DuckDB's SQL: the one place where they are quoted. */

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

export const quoteString = (text: string): string => `'${text.replaceAll("'", "''")}'`
