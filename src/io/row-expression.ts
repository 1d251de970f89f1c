import { quoteString } from '../compile/quote.ts'
import { nearest } from '../contract/index.ts'
import type { DuckDb } from './duckdb.ts'

export interface Problem {
  readonly message: string
  readonly hint: string
}

/** A node of the tree that DuckDB's parser gives. */
type Node = Readonly<Record<string, unknown>>

interface Parsed {
  readonly error: boolean
  readonly error_message?: string
  readonly statements?: readonly { readonly node: Node }[]
}

/** What a row expression may be made of; anything newer or stranger is refused until it is looked at. */
const allowed: ReadonlySet<string> = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'LAMBDA_REF',
  'OPERATOR',
  'TYPE',
])

const refusedClasses: Readonly<Record<string, string>> = {
  SUBQUERY: 'a subquery',
  WINDOW: 'a window function',
  STAR: 'a *',
  PARAMETER: 'a parameter',
  POSITIONAL_REFERENCE: 'a column by its position',
}

/** Names that stand without parentheses for a function, where no column has the name. */
const bareFunctions = /^(current_\w+|localtime|localtimestamp|session_user|user)$/

/** Functions whose value depends on the session, which DuckDB counts as constant ones. */
const sessionFunctions =
  /^(current_\w+|get_current_\w+|currval|getenv|getvariable|in_search_path|nextval|pg_\w+|random|sleep_ms|uuid\w*|version|write_log)$/

interface FunctionFacts {
  readonly kind: string
  readonly stability: string | null
  readonly macro: string | null
}

/**
 * Why an SQL text is not one row expression over these columns that gives the same value whenever it is computed; null when it is.
 * Types are not looked at. Asks DuckDB's own parser, and its list of functions; runs nothing of the text.
 */
export async function rowExpressionProblem(
  db: Pick<DuckDb, 'rows'>,
  sql: string,
  columns: readonly string[],
  owner: string,
): Promise<Problem | null> {
  const refuse = (message: string, hint: string): Problem => ({ message: `\`${sql}\`: ${message}`, hint })
  const parsed = await parse(db, sql)
  if (typeof parsed === 'string') return refuse(parsed, 'Mend the expression: it is DuckDB’s SQL.')
  const expression = soleExpression(parsed)
  if (expression === null) {
    return refuse('this is more than one expression', 'Write one expression, without ; , AS, FROM, WHERE or ORDER BY.')
  }

  const known = new Set(columns.map((name) => name.toLowerCase()))
  const found = walk(expression)
  for (const { name, bound } of found.columns) {
    const lower = name.toLowerCase()
    if (known.has(lower) || bound.has(lower)) continue
    if (bareFunctions.test(lower)) return refuse(volatility(lower), stableHint)
    const close = nearest(name, columns)
    return refuse(
      `${owner} has no column "${name}"`,
      close.length > 0 ? `Did you mean ${close.join(' or ')}?` : `Its columns are ${columns.join(', ')}.`,
    )
  }
  return (await treeProblem(db, found, new Set())) ?? null

  async function treeProblem(engine: Pick<DuckDb, 'rows'>, tree: Found, seen: Set<string>): Promise<Problem | null> {
    const [refusedClass] = tree.refused
    if (refusedClass !== undefined) {
      return refuse(
        `${refusedClasses[refusedClass] ?? refusedClass.toLowerCase()} is not allowed`,
        'An expression sees one row: write one over its columns, and aggregate with features.',
      )
    }
    // Operators are neither aggregates nor volatile, whatever the engine.
    const facts = await functionFacts(
      engine,
      [...tree.functions.keys()].filter((name) => /\w/.test(name)),
    )
    for (const [name, arities] of tree.functions) {
      // With one argument it is the age now.
      if (name === 'age' && arities.has(1))
        return refuse('age() of one time depends on when it is computed', stableHint)
      if (sessionFunctions.test(name)) return refuse(volatility(name), stableHint)
      if (name === 'unnest' || name === 'unlist')
        return refuse('unnest() gives more than one row', 'Use the list functions.')
      const kinds = facts.get(name) ?? []
      if (kinds.some(({ kind }) => kind === 'aggregate')) {
        return refuse(
          `${shown(name)} is an aggregate`,
          'Write a row expression, and aggregate with features; in lists, list_sum and the like do.',
        )
      }
      if (kinds.some(({ stability }) => stability !== null && stability !== 'CONSISTENT'))
        return refuse(volatility(name), stableHint)
      if (
        kinds.length > 0 &&
        kinds.every(({ kind }) => kind === 'table' || kind === 'table_macro' || kind === 'pragma')
      ) {
        return refuse(`${shown(name)} gives a table`, 'An expression sees one row: write one over its columns.')
      }
      const macros = seen.has(name) ? [] : kinds.flatMap(({ macro }) => (macro === null ? [] : [macro]))
      seen.add(name)
      for (const macro of macros) {
        const definition = await parse(engine, macro)
        const body = typeof definition === 'string' ? null : soleExpression(definition)
        const inside = body === null ? null : walk(body)
        const unstable =
          inside === null || inside.columns.some((column) => bareFunctions.test(column.name.toLowerCase()))
            ? refuse(volatility(name), stableHint)
            : await treeProblem(engine, inside, seen)
        if (unstable !== null) return unstable
      }
    }
    return null
  }
}

const stableHint = 'A feature must come out the same whenever it is computed: use the event’s own columns.'
const volatility = (name: string): string => `${shown(name)} depends on when or where it is computed`
const shown = (name: string): string => (/^\w+$/.test(name) ? `${name === 'count_star' ? 'count' : name}()` : name)

/** The tree of `SELECT <sql>`, or the parser's complaint. */
async function parse(db: Pick<DuckDb, 'rows'>, sql: string): Promise<Parsed | string> {
  const [row] = await db.rows<{ tree: string }>(
    `SELECT json_serialize_sql(${quoteString(`SELECT ${sql}`)})::VARCHAR AS tree`,
    {
      otherwise: 'DEFINITION_INVALID',
    },
  )
  const parsed = JSON.parse(row?.tree ?? '{"error":true}') as Parsed
  return parsed.error ? (parsed.error_message ?? 'this is no SQL') : parsed
}

/** The one thing that a statement selects, if it is no more than an expression. */
function soleExpression({ statements = [] }: Parsed): Node | null {
  const [statement, ...others] = statements
  const node = statement?.node
  if (node === undefined || others.length > 0 || node['type'] !== 'SELECT_NODE') return null
  const { select_list: selected, from_table: from, modifiers, group_expressions: groups, cte_map: ctes } = node
  const [expression, ...more] = isList(selected) ? selected : []
  const bare =
    isNode(from) &&
    from['type'] === 'EMPTY' &&
    isEmpty(modifiers) &&
    isEmpty(groups) &&
    isNode(ctes) &&
    isEmpty(ctes['map']) &&
    ['where_clause', 'having', 'qualify', 'sample'].every((clause) => node[clause] === null) &&
    node['aggregate_handling'] === 'STANDARD_HANDLING'
  return bare && more.length === 0 && isNode(expression) && expression['alias'] === '' ? expression : null
}

interface Found {
  /** Columns, each with the parameters of the lambdas around it. */
  readonly columns: { readonly name: string; readonly bound: ReadonlySet<string> }[]
  /** Functions and the numbers of arguments they are called with. */
  readonly functions: Map<string, Set<number>>
  readonly refused: string[]
}

function walk(root: Node): Found {
  const found: Found = { columns: [], functions: new Map(), refused: [] }
  const visit = (value: unknown, bound: ReadonlySet<string>): void => {
    if (isList(value)) return value.forEach((member) => visit(member, bound))
    if (!isNode(value)) return
    const kind = value['class']
    if (kind === 'CONSTANT') return
    if (typeof kind === 'string' && !allowed.has(kind)) {
      found.refused.push(kind)
      return
    }
    if (kind === 'COLUMN_REF') {
      const [name] = isList(value['column_names']) ? value['column_names'] : []
      found.columns.push({ name: String(name), bound })
      return
    }
    if (kind === 'LAMBDA') {
      const parameters = lambdaParameters(value['lhs'])
      // `j -> 'key'` is JSON's arrow, and parsed as a lambda as well: then its left side is an expression.
      if (parameters === null) visit(value['lhs'], bound)
      visit(value['expr'], new Set([...bound, ...(parameters ?? [])]))
      return
    }
    if (kind === 'FUNCTION') {
      const name = String(value['function_name']).toLowerCase()
      const arity = isList(value['children']) ? value['children'].length : 0
      found.functions.set(name, (found.functions.get(name) ?? new Set()).add(arity))
      // DISTINCT, FILTER and ORDER BY belong to aggregates.
      if (value['distinct'] === true || isNode(value['filter'])) found.refused.push('an aggregate')
    }
    for (const member of Object.values(value)) visit(member, bound)
  }
  visit(root, new Set())
  return found
}

/** Names that a lambda binds: `x` is a column reference to the parser, `(x, i)` a row of them. Null for anything else. */
function lambdaParameters(lhs: unknown): string[] | null {
  if (!isNode(lhs)) return null
  if (lhs['class'] === 'COLUMN_REF') {
    const names = isList(lhs['column_names']) ? lhs['column_names'].map((name) => String(name).toLowerCase()) : []
    return names.length === 1 && !names.some((name) => bareFunctions.test(name)) ? names : null
  }
  if (lhs['class'] !== 'FUNCTION' || lhs['function_name'] !== 'row' || !isList(lhs['children'])) return null
  const names = lhs['children'].map(lambdaParameters)
  return names.every((name) => name !== null) ? names.flat() : null
}

async function functionFacts(
  db: Pick<DuckDb, 'rows'>,
  names: readonly string[],
): Promise<Map<string, FunctionFacts[]>> {
  const facts = new Map<string, FunctionFacts[]>()
  if (names.length === 0) return facts
  const rows = await db.rows<{ name: string } & FunctionFacts>(
    `SELECT DISTINCT lower(function_name) AS name, function_type AS kind, stability, macro_definition AS macro
FROM duckdb_functions() WHERE lower(function_name) IN (${names.map(quoteString).join(', ')}) ORDER BY ALL`,
  )
  for (const { name, kind, stability, macro } of rows) {
    const of = facts.get(name)
    if (of === undefined) facts.set(name, [{ kind, stability, macro }])
    else of.push({ kind, stability, macro })
  }
  return facts
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value)
const isEmpty = (value: unknown): boolean => isList(value) && value.length === 0
