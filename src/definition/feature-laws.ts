/** What must hold of a feature's parameters, whatever its source looks like. */
import { parseDuration } from '../contract/index.ts'
import type { Aggregate, FeatureDefinition } from './canonical.ts'
import { placed, type Refuse } from './refusal.ts'

type Result = 'integer' | 'number' | 'boolean' | 'list' | 'argument'

interface Facts {
  /** `as argument`: the argument's type. */
  readonly result: Result
  /** Parameters that it needs, and no other aggregate has but those that name them too. */
  readonly needs: readonly Parameter[]
  readonly example: string
  /** Whether it takes an argument. */
  readonly isOfRows?: boolean
  /** Whether its value changes with the row's time. */
  readonly isTimed?: boolean
}

type Parameter = 'quantile' | 'k' | 'halfLife' | 'edges' | 'divisor'

const plain = (result: Result, name: string): Facts => ({
  result,
  needs: [],
  example: `${name}('delay', { over: ['7d'] })`,
})

const facts: Readonly<Record<Aggregate, Facts>> = {
  count: { result: 'integer', needs: [], example: "count({ over: ['7d'] })", isOfRows: true },
  sum: plain('number', 'sum'),
  avg: plain('number', 'avg'),
  min: plain('argument', 'min'),
  max: plain('argument', 'max'),
  stddev: plain('number', 'stddev'),
  variance: plain('number', 'variance'),
  count_distinct: plain('integer', 'countDistinct'),
  approx_count_distinct: plain('integer', 'approxCountDistinct'),
  first: plain('argument', 'first'),
  last: plain('argument', 'last'),
  mode: plain('argument', 'mode'),
  bool_and: plain('boolean', 'boolAnd'),
  bool_or: plain('boolean', 'boolOr'),
  rate: { result: 'number', needs: [], example: "rate(sql`delay > 15`, { over: ['7d'] })" },
  ratio: { result: 'number', needs: ['divisor'], example: "ratio('delay', 'distance', { over: ['7d'] })" },
  quantile: { result: 'number', needs: ['quantile'], example: "quantile('delay', 0.9, { over: ['7d'] })" },
  approx_quantile: { result: 'number', needs: ['quantile'], example: "approxQuantile('delay', 0.9, { over: ['7d'] })" },
  first_k: { result: 'list', needs: ['k'], example: "firstK('delay', 3, { over: ['7d'] })" },
  last_k: { result: 'list', needs: ['k'], example: "lastK('delay', 3, { over: ['7d'] })" },
  top_k: { result: 'list', needs: ['k'], example: "topK('carrier', 3, { over: ['7d'] })" },
  collect_distinct: {
    result: 'list',
    needs: ['k'],
    example: "collectDistinct('carrier', { over: ['7d'], limit: 100 })",
  },
  histogram: { result: 'list', needs: ['edges'], example: "histogram('delay', { over: ['7d'], edges: [0, 15, 60] })" },
  decayed_sum: {
    result: 'number',
    needs: ['halfLife'],
    example: "decayedSum('delay', { over: ['28d'], halfLife: '7d' })",
    isTimed: true,
  },
  decayed_avg: {
    result: 'number',
    needs: ['halfLife'],
    example: "decayedAvg('delay', { over: ['28d'], halfLife: '7d' })",
    isTimed: true,
  },
  time_since_last: {
    result: 'number',
    needs: [],
    example: "timeSinceLast({ over: ['28d'] })",
    isOfRows: true,
    isTimed: true,
  },
}

/** Below this the buckets of an approximate quantile are too narrow for doubles. */
const leastError = 0.0001

/** @throws DEFINITION_INVALID */
export function checkParameters(feature: FeatureDefinition, refuse: Refuse): void {
  const place = { feature: feature.name }
  const { aggregate, argument } = feature
  const { needs, example, isOfRows = false } = facts[aggregate]
  if (isOfRows !== (argument === null)) {
    refuse(
      place,
      `${aggregate} ${argument === null ? 'needs a column or sql`…` to aggregate' : 'takes no argument'}`,
      `Write ${example}.`,
    )
  }
  for (const [parameter, said] of [
    ['quantile', 'quantile'],
    ['k', aggregate === 'collect_distinct' ? 'limit' : 'number of values'],
    ['halfLife', 'halfLife'],
    ['edges', 'edges'],
    ['divisor', 'divisor'],
  ] as const) {
    const isNeeded = needs.includes(parameter)
    if (isNeeded !== (feature[parameter] !== undefined))
      refuse(place, isNeeded ? `${aggregate} needs its ${said}` : `${aggregate} has no ${said}`, `Write ${example}.`)
  }
  if (feature.error !== undefined && aggregate !== 'approx_quantile')
    refuse(place, `${aggregate} has no error: it is exact`, `Leave it out: ${example}.`)
  if (feature.error !== undefined && feature.error < leastError)
    refuse(place, `error: ${feature.error} is less than ${leastError}`, 'Allow more, or take quantile, which is exact.')
  const { halfLife, edges } = feature
  if (halfLife !== undefined) placed(refuse, place, () => parseDuration(halfLife, 'halfLife'))
  if (edges !== undefined) checkEdges(edges, feature.name, refuse)
  checkBuckets(feature, refuse)
  checkEmpty(feature, refuse)
}

function checkEdges(edges: readonly number[], name: string, refuse: Refuse): void {
  if (edges.length === 0) refuse({ feature: name }, 'edges: there are none', 'List the bounds: edges: [0, 15, 60].')
  const at = edges.findIndex((edge, i) => i > 0 && edge <= (edges[i - 1] ?? edge))
  if (at !== -1) {
    refuse(
      { feature: name },
      `edges: ${edges[at]} comes after ${edges[at - 1]}`,
      'List them in ascending order, each once.',
    )
  }
}

function checkBuckets({ name, aggregate, by, empty }: FeatureDefinition, refuse: Refuse): void {
  if (by === undefined || by === null) return
  const place = { feature: name }
  if (facts[aggregate].isTimed === true) {
    refuse(
      place,
      `by: ${aggregate} changes with the time of each row and is not computed by bucket`,
      'Make a feature of each bucket: where: sql`carrier = ${code}`.',
    )
  }
  if (empty !== undefined)
    refuse(place, 'empty: a map has no entry for what its window does not hold', 'Leave empty out, or by.')
}

function checkEmpty({ name, aggregate, empty }: FeatureDefinition, refuse: Refuse): void {
  if (empty === undefined || empty === null) return
  const place = { feature: name }
  const { result } = facts[aggregate]
  const shown = JSON.stringify(empty)
  switch (result) {
    case 'list':
      return refuse(place, `empty: ${aggregate} gives a list, which ${shown} is not`, 'Leave it out: it is null.')
    case 'integer':
      if (!Number.isSafeInteger(empty))
        refuse(place, `empty: ${aggregate} gives a whole number, which ${shown} is not`, 'Write one, or null.')
      return
    case 'number':
      if (typeof empty !== 'number')
        refuse(place, `empty: ${aggregate} gives a number, which ${shown} is not`, 'Write one, or null.')
      return
    case 'boolean':
      if (typeof empty !== 'boolean')
        refuse(place, `empty: ${aggregate} gives a boolean, which ${shown} is not`, 'Write true, false or null.')
      return
    case 'argument':
      // Its type is known with the source's.
      return
  }
}
