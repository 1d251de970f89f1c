import { HindcastError } from '../contract/index.ts'

/** Where in a view something is wrong. */
export interface Place {
  readonly feature?: string
  readonly column?: string
}

/** Throws DEFINITION_INVALID that names the view and the place, with how to mend it. */
export type Refuse = (place: Place, problem: string, hint: string) => never

export const refusalsOf =
  (view: string): Refuse =>
  ({ feature, column }, problem, hint) => {
    const where = [`view ${view}`]
    if (feature !== undefined) where.push(`feature ${feature}`)
    if (column !== undefined) where.push(`column ${column}`)
    throw new HindcastError('DEFINITION_INVALID', `${where.join(', ')}: ${problem}`, {
      hint,
      context: {
        view,
        ...(feature === undefined ? {} : { feature }),
        ...(column === undefined ? {} : { column }),
      },
    })
  }

/** What `action` throws, said with its place. */
export function placed<T>(refuse: Refuse, place: Place, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof HindcastError)) throw error
    return refuse(place, error.message, error.hint ?? '')
  }
}
