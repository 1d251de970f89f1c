import { readFile, writeFile } from 'node:fs/promises'
import { HindcastError, parseBackfillInput, type BackfillInput } from '../src/contract/index.ts'
import type { BackfillPlan } from '../src/io/backfill/index.ts'
import { planDocument } from './plan-text.ts'
import type { RangeOptions } from './range-options.ts'

/** Saves a plan as `plan --json` shows it. */
export async function savePlan(file: string, plan: BackfillPlan, input: BackfillInput): Promise<void> {
  await writeFile(file, `${JSON.stringify(planDocument(plan, input), null, 1)}\n`).catch((cause: unknown) => {
    throw new HindcastError('USAGE', `--out: ${file} cannot be written: ${(cause as Error).message}`, { cause })
  })
}

/**
 * The request of a saved plan, bound to its hash.
 * @throws USAGE when the file holds none, or when the command names another view or range beside it
 */
export async function savedPlan(file: string, view: string, options: RangeOptions): Promise<BackfillInput> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new HindcastError('USAGE', `--plan: ${file} cannot be read: ${(cause as Error).message}`, { cause })
  })
  const [input, planHash] = parsed(text, file)
  for (const [name, given, saved] of [
    ['VIEW', view === '' ? undefined : view, input.view],
    ['--from', options.from, input.from],
    ['--to', options.to, input.to],
    ['--as-of', options.asOf, input.asOf],
    ['--force', options.force, input.force],
  ] as const) {
    if (given === undefined || given === saved) continue
    throw new HindcastError('USAGE', `${name} ${String(given)} is not what ${file} plans`, {
      hint: `A saved plan is run as it is: hindcast backfill --plan ${file}`,
    })
  }
  return { ...input, planHash }
}

function parsed(text: string, file: string): readonly [BackfillInput, string] {
  try {
    const document = JSON.parse(text) as { readonly input?: unknown; readonly planHash?: unknown }
    if (typeof document.planHash === 'string') return [parseBackfillInput(document.input), document.planHash]
  } catch {
    // Said below.
  }
  throw new HindcastError('USAGE', `--plan: ${file} holds no plan`, {
    hint: `Write one with: hindcast plan VIEW --from T --to T --out ${file}`,
  })
}
