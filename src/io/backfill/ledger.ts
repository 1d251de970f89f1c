import type { BuildRecord, LedgerEntry, SourcePin } from '../../contract/index.ts'
import type { BackfillPlan } from './plan.ts'
import type { SliceResult } from './slice-result.ts'

/**
 * The ledger after a run: the earlier one with the partitions that the run computed, and with the newer source of those whose source
 * files were only rewritten. Pins and definitions that no entry refers to any more are left out.
 */
export function mergeLedger(
  plan: BackfillPlan,
  results: readonly SliceResult[],
  earlier: BuildRecord | null,
): Pick<BuildRecord, 'ledger' | 'pins' | 'definitions'> {
  const pins = new Pins(plan.pin, earlier?.pins ?? [])
  const computed = computedEntries(plan, results)
  const rewritten = new Map(
    plan.partitions.flatMap(({ key, source, formerSource }) =>
      formerSource === undefined ? [] : [[key, { source, formerSource }]],
    ),
  )
  const ledger: Record<string, LedgerEntry> = { ...plan.recovered }
  for (const [key, { pin, ...entry }] of Object.entries(earlier?.ledger ?? {})) {
    const now = rewritten.get(key)
    ledger[key] =
      now?.formerSource === entry.source
        ? { ...entry, source: now.source, pin: 0 }
        : { ...entry, ...(pin === undefined ? {} : pins.kept(pin)) }
  }
  Object.assign(ledger, computed)
  const known: Readonly<Record<string, unknown>> = {
    ...earlier?.definitions,
    ...(earlier === null ? {} : { [earlier.definitionFingerprint.data]: earlier.definition }),
  }
  const used = new Set(Object.values(ledger).map(({ definition }) => definition))
  used.delete(plan.fingerprint.data)
  const definitions = Object.fromEntries(
    [...used].sort().flatMap((fingerprint) => (fingerprint in known ? [[fingerprint, known[fingerprint]]] : [])),
  )
  return { ledger, pins: pins.all, ...(Object.keys(definitions).length === 0 ? {} : { definitions }) }
}

/** Pins under new numbers: the run's own is the first, of the earlier ones those that are still referred to follow. */
class Pins {
  readonly all: SourcePin[]
  readonly #earlier: readonly SourcePin[]
  readonly #numbers = new Map<number, number>()

  constructor(own: SourcePin, earlier: readonly SourcePin[]) {
    this.all = [own]
    this.#earlier = earlier
  }

  kept(number: number): { readonly pin?: number } {
    const pin = this.#earlier[number]
    if (pin === undefined) return {}
    const known = this.#numbers.get(number) ?? this.all.push(pin) - 1
    this.#numbers.set(number, known)
    return { pin: known }
  }
}

function computedEntries(plan: BackfillPlan, results: readonly SliceResult[]): Record<string, LedgerEntry> {
  const sources = new Map(plan.partitions.map(({ ordinal, source }) => [ordinal, source]))
  const written = new Map(results.flatMap(({ files }) => files.map((file) => [file.ordinal, file])))
  return Object.fromEntries(
    plan.slices
      .flatMap((slice) => slice.partitions)
      .map(({ ordinal, key }) => {
        const file = written.get(ordinal)
        const entry: LedgerEntry = {
          definition: plan.fingerprint.data,
          source: sources.get(ordinal) ?? '',
          files: file === undefined ? [] : [file.path],
          rows: file?.rows ?? 0,
          pin: 0,
        }
        return [key, entry]
      }),
  )
}
