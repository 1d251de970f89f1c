/** What must hold of grids and windows. */
import { MICROS_PER_DAY, parsePeriod, type Period } from '../contract/index.ts'
import type { FeatureDefinition, ViewDefinition } from './canonical.ts'
import { placed, type Place, type Refuse } from './refusal.ts'
import { parseWindow } from './window.ts'

/** @throws DEFINITION_INVALID */
export function checkTime(definition: ViewDefinition, refuse: Refuse): void {
  const step = { every: checkGrid(definition, refuse), text: definition.every }
  for (const { name, windows } of definition.features) checkWindows(windows, { feature: name }, step, refuse)
}

function checkGrid({ every, timeZone, rows, partitionBy }: ViewDefinition, refuse: Refuse): Period {
  const step = placed(refuse, {}, () => parsePeriod(every, 'every'))
  if (rows === 'on_change') {
    if (step.kind === 'months')
      refuse({}, `every: months have no fixed length, which rows: 'on_change' need`, 'Write it in days, such as 1d.')
    if (timeZone !== undefined)
      refuse({}, "timeZone: rows: 'on_change' are on no grid that it could be of", 'Leave it out: a day has 24 hours.')
  }
  if (step.kind === 'fixed') {
    const { micros } = step
    if (micros < MICROS_PER_DAY ? MICROS_PER_DAY % micros !== 0n : micros % MICROS_PER_DAY !== 0n) {
      refuse(
        {},
        `every: ${every} neither divides a day nor is whole days`,
        'Choose one that does: 15m, 1h, 6h, 1d, 7d, 1mo.',
      )
    }
    if (partitionBy === 'month' && micros > MICROS_PER_DAY && rows === undefined) {
      refuse(
        {},
        `partitionBy: months do not begin on a grid of ${every}`,
        "Partition by 'day', or have a feature time every 1d.",
      )
    }
  }
  if (timeZone !== undefined) checkZone(timeZone, step, every, refuse)
  return step
}

function checkZone(timeZone: string, step: Period, every: string, refuse: Refuse): void {
  if (step.kind === 'fixed' && step.micros < MICROS_PER_DAY) {
    refuse(
      {},
      `timeZone: a grid of ${every} is the same in every time zone`,
      'Leave the time zone out, or choose a step of days, weeks or months.',
    )
  }
  if (!isZone(timeZone))
    refuse({}, `timeZone: "${timeZone}" is not a time zone`, 'Write its IANA name, such as America/New_York.')
}

/** By name: an offset such as +01:00 has no daylight saving, and is written as hours of the windows. */
function isZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

function checkWindows(
  windows: FeatureDefinition['windows'],
  place: Place,
  step: { readonly every: Period; readonly text: string },
  refuse: Refuse,
): void {
  for (const [i, window] of windows.entries()) {
    if (windows.indexOf(window) !== i) refuse(place, `the window ${window} is there twice`, 'Leave one out.')
    const { length, offset } = placed(refuse, place, () => parseWindow(window))
    for (const [what, part] of [
      ['window', length],
      ['offset', offset],
    ] as const) {
      if (
        part === null ||
        isMultiple(
          placed(refuse, place, () => parsePeriod(part, 'over')),
          step.every,
        )
      )
        continue
      refuse(
        place,
        `the ${what} ${part} is not a multiple of every: ${step.text}`,
        `Choose ${what}s of whole steps of ${step.text}, or another step.`,
      )
    }
  }
}

function isMultiple(length: Period, step: Period): boolean {
  if (length.kind === 'months') return step.kind === 'months' && length.months % step.months === 0n
  return step.kind === 'fixed' && length.micros % step.micros === 0n
}
