import { nearest } from '../contract/index.ts'
import { joinedColumn, type FeatureDefinition, type SourceDefinition, type ViewDefinition } from './canonical.ts'
import { checkParameters } from './feature-laws.ts'
import { refusalsOf, type Place, type Refuse } from './refusal.ts'
import { checkTime } from './time-laws.ts'
import { featureColumn } from './window.ts'

/**
 * What must hold of a definition beyond its shape, whatever its source looks like.
 * @throws DEFINITION_INVALID
 */
export function checkLaws(definition: ViewDefinition): void {
  const refuse = refusalsOf(definition.name)
  checkNames(definition, refuse)
  checkKeys(definition, refuse)
  checkSource(definition.source, refuse)
  if (definition.features.length === 0)
    refuse({}, 'it has no features', "Give it one: features: { events: count({ over: ['7d'] }) }.")
  checkTime(definition, refuse)
  for (const feature of definition.features) {
    checkParameters(feature, refuse)
    for (const sql of sqlOf(feature)) checkText(sql, { feature: feature.name }, refuse)
  }
  for (const { name, sql } of definition.derived) checkText(sql, { column: name }, refuse)
  checkAudits(definition, checkColumns(definition, refuse), refuse)
}

function sqlOf({ argument, where, divisor, by }: FeatureDefinition): string[] {
  const arguments_ = [argument, divisor?.argument, by].flatMap((one) => (one?.kind === 'sql' ? [one.sql] : []))
  return [...arguments_, ...[where, divisor?.where].flatMap((one) => (one === null || one === undefined ? [] : [one]))]
}

function checkSource(
  { name, table, view, eventTimeUnit, knownTime, ...source }: SourceDefinition,
  refuse: Refuse,
): void {
  if ((table === undefined) === (view === undefined)) {
    refuse(
      {},
      `source ${name} names ${table === undefined ? 'neither a table nor a view' : 'a table and a view'}`,
      "Name one of them: table: 'raw.flights', or view: the feature view.",
    )
  }
  if (table !== undefined) checkTable(`source ${name}`, table, refuse)
  if (view !== undefined && eventTimeUnit !== undefined)
    refuse({}, `source ${name}: eventTimeUnit: a feature time is no number`, 'Leave it out.')
  if (source.knownTimeUnit !== undefined && knownTime === undefined)
    refuse({}, `source ${name}: knownTimeUnit: there is no knownTime`, 'Name its column, or leave the unit out.')
  if (source.where !== undefined) checkText(source.where, {}, refuse, `source ${name}: where`)
  for (const { name: column, sql } of source.columns ?? []) checkText(sql, { column }, refuse)
  const added = new Map<string, string>((source.columns ?? []).map((column) => [column.name, 'a computed column']))
  for (const join of source.joins ?? []) {
    checkTable(`join ${join.name}`, join.table, refuse)
    if (join.on.length === 0)
      refuse({}, `join ${join.name}: on which columns?`, "Name those that are equal: on: { carrier: 'code' }.")
    if (join.columns.length === 0)
      refuse({}, `join ${join.name}: it brings in no column`, "List some: columns: ['name'].")
    for (const column of join.columns) {
      const joined = joinedColumn(join, column)
      const other = added.get(joined)
      if (other !== undefined)
        refuse(
          { column: joined },
          `join ${join.name} and ${other} give a column of the same name`,
          'Rename one of them.',
        )
      added.set(joined, `join ${join.name}`)
    }
  }
}

function checkTable(what: string, table: string, refuse: Refuse): void {
  if (!/^[^.\s]+(\.[^.\s]+)+$/.test(table))
    refuse({}, `${what}: "${table}" is not the name of a table`, 'Write namespace.table, such as raw.flights.')
}

function checkNames({ name, entity, source, features, derived }: ViewDefinition, refuse: Refuse): void {
  if (name.endsWith(tilesSuffix))
    refuse(
      {},
      `its name ends in ${tilesSuffix}`,
      'So do the tables that keep the tiles of other views: choose another name.',
    )
  const named: (readonly [string, string, Place])[] = [
    ['the view', name, {}],
    [`entity ${entity.name}`, entity.name, {}],
    [`source ${source.name}`, source.name, {}],
    ...entity.keys.map((key) => [`key ${key.name}`, key.name, { column: key.name }] as const),
    ...features.map((feature) => ['the feature', feature.name, { feature: feature.name }] as const),
    ...derived.map((column) => ['the derived column', column.name, { column: column.name }] as const),
    ...(source.columns ?? []).map((column) => ['the computed column', column.name, { column: column.name }] as const),
    ...(source.joins ?? []).map((join) => [`join ${join.name}`, join.name, {}] as const),
  ]
  for (const [what, written, place] of named) {
    if (!/^[a-z_][a-z0-9_]*$/.test(written)) {
      refuse(
        place,
        `${what} has a name that is not snake_case: "${written}"`,
        `Name it ${snakeCase(written)}: lower-case letters, digits and _.`,
      )
    }
    if (written.startsWith('__'))
      refuse(place, `${what} has a name that begins with __`, 'Such names are kept for Hindcast’s own columns.')
  }
}

/** Ends the names of tables that keep the tiles of views, and of no view. */
export const tilesSuffix = '__tiles'

function checkKeys({ entity }: ViewDefinition, refuse: Refuse): void {
  if (entity.keys.length === 0)
    refuse({}, `entity ${entity.name} has no keys`, "Name its key columns: keys: { origin: 'string' }.")
  for (const { name, type } of entity.keys) {
    const [, precision, scale] = /^decimal\((\d+), (\d+)\)$/.exec(type) ?? []
    if (precision === undefined || scale === undefined) continue
    if (Number(precision) >= 1 && Number(precision) <= 38 && Number(scale) <= Number(precision)) continue
    refuse(
      { column: name },
      `key ${name}: there is no ${type}`,
      'A decimal has 1 to 38 digits, and no more than those after the point: decimal(9, 2).',
    )
  }
}

const snakeCase = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '_')
    .replace(/^(\d)/, '_$1')
    .replace(/^_{2,}/, '_') || 'x'

/** A comment would swallow what the compiler writes after the expression. */
function checkText(sql: string, place: Place, refuse: Refuse, what = 'its SQL'): void {
  if (/--|\/\*/.test(sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, "''"))) {
    refuse(
      place,
      `${what} has a comment`,
      'Move the comment into the TypeScript around it; write a - (-1) with parentheses.',
    )
  }
}

/** The names of the columns that audits may name. */
function checkColumns({ entity, features, derived, partitionBy }: ViewDefinition, refuse: Refuse): string[] {
  // Iceberg's partition fields are named beside a table's columns.
  const owners = new Map<string, string>([
    ['feature_time', 'the feature time'],
    [`feature_time_${partitionBy}`, 'the partition field'],
  ])
  const claim = (column: string, owner: string, place: Place): string => {
    const other = owners.get(column)
    if (other !== undefined)
      refuse({ ...place, column }, `${owner} and ${other} give a column of the same name`, 'Rename one of them.')
    owners.set(column, owner)
    return column
  }
  for (const { name } of entity.keys) claim(name, `key ${name}`, {})
  return [
    ...features.flatMap((feature) =>
      feature.windows.map((window) =>
        claim(featureColumn(feature, window), `feature ${feature.name}`, { feature: feature.name }),
      ),
    ),
    ...derived.map(({ name }) => claim(name, `derived column ${name}`, {})),
  ]
}

function checkAudits({ audits }: ViewDefinition, columns: readonly string[], refuse: Refuse): void {
  for (const audit of audits) {
    if (audit.kind === 'unique') continue
    const { kind, column } = audit
    if (columns.includes(column)) {
      if (kind === 'null_rate' && !(audit.max >= 0 && audit.max <= 1))
        refuse({ column }, `null_rate: max is ${audit.max}`, 'It is a share, in [0, 1].')
      if (kind === 'drift' && !(audit.psi > 0))
        refuse({ column }, `drift: psi is ${audit.psi}`, 'It must be above 0; 0.25 is a large shift.')
      continue
    }
    const close = nearest(column, columns)
    refuse(
      { column },
      `${kind} audits a column that the view does not have`,
      close.length > 0 ? `Did you mean ${close.join(' or ')}?` : `It has ${columns.join(', ')}.`,
    )
  }
}
