/** Names of the search attributes that a run of a backfill has in Temporal, where the namespace has them registered. */
export const searchAttributes = {
  view: 'HindcastView',
  from: 'HindcastFrom',
  to: 'HindcastTo',
  /** A state while it runs, then `published`, `fresh`, or the code of what went wrong. */
  verdict: 'HindcastVerdict',
  snapshot: 'HindcastSnapshot',
  codeVersion: 'HindcastCodeVersion',
} as const

/** Their types, by name, as Temporal's API numbers them: Keyword is 2, Datetime 6. */
export const searchAttributeTypes: Readonly<Record<string, 2 | 6>> = {
  [searchAttributes.view]: 2,
  [searchAttributes.from]: 6,
  [searchAttributes.to]: 6,
  [searchAttributes.verdict]: 2,
  [searchAttributes.snapshot]: 2,
  [searchAttributes.codeVersion]: 2,
}
