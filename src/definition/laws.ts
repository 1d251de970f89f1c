import { HindcastError, type Micros, MICROS_PER_DAY, nearest, parseDuration } from '../contract/index.ts'
import { featureColumn, type ViewDefinition } from './canonical.ts'

interface Place {
  readonly feature?: string
  readonly column?: string
}

type Refuse = (place: Place, problem: string, hint: string) => never

/**
 * What must hold of a definition beyond its shape, whatever its source looks like.
 * @throws DEFINITION_INVALID
 */
export function checkLaws(definition: ViewDefinition): void {
  const refuse: Refuse = ({ feature, column }, problem, hint) => {
    const where = [`view ${definition.name}`]
    if (feature !== undefined) where.push(`feature ${feature}`)
    if (column !== undefined) where.push(`column ${column}`)
    throw new HindcastError('DEFINITION_INVALID', `${where.join(', ')}: ${problem}`, {
      hint,
      context: {
        view: definition.name,
        ...(feature === undefined ? {} : { feature }),
        ...(column === undefined ? {} : { column }),
      },
    })
  }
  checkNames(definition, refuse)
  if (!/^[^.\s]+(\.[^.\s]+)+$/.test(definition.source.table)) {
    refuse(
      {},
      `source ${definition.source.name}: "${definition.source.table}" is not the name of a table`,
      'Write namespace.table, such as raw.flights.',
    )
  }
  if (definition.features.length === 0)
    refuse({}, 'it has no features', "Give it one: features: { events: count({ over: ['7d'] }) }.")
  const every = checkGrid(definition, refuse)
  for (const feature of definition.features) checkFeature(feature, { every, text: definition.every }, refuse)
  for (const { name, sql } of definition.derived) checkText(sql, { column: name }, refuse)
  checkAudits(definition, checkColumns(definition, refuse), refuse)
}

function checkNames({ name, entity, source, features, derived }: ViewDefinition, refuse: Refuse): void {
  const named: (readonly [string, string, Place])[] = [
    ['the view', name, {}],
    [`entity ${entity.name}`, entity.name, {}],
    [`source ${source.name}`, source.name, {}],
    ...entity.keys.map((key) => [`key ${key.name}`, key.name, { column: key.name }] as const),
    ...features.map((feature) => ['the feature', feature.name, { feature: feature.name }] as const),
    ...derived.map((column) => ['the derived column', column.name, { column: column.name }] as const),
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
  if (entity.keys.length === 0)
    refuse({}, `entity ${entity.name} has no keys`, "Name its key columns: keys: { origin: 'string' }.")
}

const snakeCase = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '_')
    .replace(/^(\d)/, '_$1')
    .replace(/^_{2,}/, '_') || 'x'

function checkGrid({ every, partitionBy }: ViewDefinition, refuse: Refuse): Micros {
  const step = duration(every, 'every', {}, refuse)
  if (step < MICROS_PER_DAY ? MICROS_PER_DAY % step !== 0n : step % MICROS_PER_DAY !== 0n) {
    refuse({}, `every: ${every} neither divides a day nor is whole days`, 'Choose one that does: 15m, 1h, 6h, 1d, 7d.')
  }
  if (partitionBy === 'month' && step > MICROS_PER_DAY) {
    refuse(
      {},
      `partitionBy: months do not begin on a grid of ${every}`,
      "Partition by 'day', or have a feature time every 1d.",
    )
  }
  return step
}

function checkFeature(
  { name, aggregate, argument, where, windows, quantile }: ViewDefinition['features'][number],
  every: { readonly every: Micros; readonly text: string },
  refuse: Refuse,
): void {
  const place = { feature: name }
  if ((aggregate === 'count') !== (argument === null)) {
    refuse(
      place,
      `${aggregate} ${argument === null ? 'needs a column or sql`…` to aggregate' : 'takes no argument'}`,
      'Make features with the functions of hindcast.',
    )
  }
  if ((aggregate === 'quantile') !== (quantile !== undefined)) {
    refuse(
      place,
      aggregate === 'quantile' ? 'which quantile?' : `${aggregate} has no quantile`,
      "Write quantile('delay', 0.9, { over: ['7d'] }).",
    )
  }
  if (argument?.kind === 'sql') checkText(argument.sql, place, refuse)
  if (where !== null) checkText(where, place, refuse)
  for (const [i, window] of windows.entries()) {
    if (windows.indexOf(window) !== i) refuse(place, `the window ${window} is there twice`, 'Leave one out.')
    const length = duration(window, 'over', place, refuse)
    if (length % every.every !== 0n) {
      refuse(
        place,
        `the window ${window} is not a multiple of every: ${every.text}`,
        `Choose windows of whole steps of ${every.text}, or another step.`,
      )
    }
  }
}

function duration(text: string, field: string, place: Place, refuse: Refuse): Micros {
  try {
    return parseDuration(text, field)
  } catch (error) {
    if (!(error instanceof HindcastError)) throw error
    return refuse(place, error.message, error.hint ?? '')
  }
}

/** A comment would swallow what the compiler writes after the expression. */
function checkText(sql: string, place: Place, refuse: Refuse): void {
  if (/--|\/\*/.test(sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, "''"))) {
    refuse(
      place,
      'its SQL has a comment',
      'Move the comment into the TypeScript around it; write a - (-1) with parentheses.',
    )
  }
}

/** The names of the columns that audits may name. */
function checkColumns({ entity, features, derived }: ViewDefinition, refuse: Refuse): string[] {
  const owners = new Map<string, string>([['feature_time', 'the feature time']])
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
