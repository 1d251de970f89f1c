import type { ViewDefinition } from '../../definition/index.ts'
import { checkDefinition } from '../check-definition.ts'
import type { Runtime } from '../runtime.ts'
import { dimensionSchemas, pinDimensions } from './dimensions.ts'
import { pinSource } from './source.ts'

/** What keeps a view from being computed: its source is missing or does not fit. Null when nothing does. */
export async function sourceProblem(runtime: Runtime, view: ViewDefinition, file: string): Promise<unknown> {
  try {
    const source = await pinSource(runtime, view, undefined)
    const dimensions = dimensionSchemas(await pinDimensions(runtime, view, source, undefined))
    await runtime.withEngine((db) => checkDefinition(db, view, source.schema, file, dimensions))
    return null
  } catch (error) {
    return error
  }
}
