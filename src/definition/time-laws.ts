/** What must hold of grids and windows. */
import { MICROS_PER_DAY, nearest, parsePeriod, type Period } from '../contract/index.ts'
import type { FeatureDefinition, ViewDefinition } from './canonical.ts'
import { placed, type Place, type Refuse } from './refusal.ts'
import { parseWindow } from './window.ts'

/** @throws DEFINITION_INVALID */
export function checkTime(definition: ViewDefinition, refuse: Refuse): void {
  const step = { every: checkGrid(definition, refuse), text: definition.every, isGrid: definition.rows === undefined }
  for (const { name, windows } of definition.features) checkWindows(windows, { feature: name }, step, refuse)
}

function checkGrid({ every, timeZone, rows, partitionBy }: ViewDefinition, refuse: Refuse): Period {
  const step = placed(refuse, {}, () => parsePeriod(every, 'every'))
  if (rows === 'on_change') {
    if (step.kind === 'months')
      refuse({}, `every: months have no fixed length, which rows: 'on_change' need`, 'Write it in days, such as 1d.')
    if (timeZone !== undefined)
      refuse({}, "timeZone: rows: 'on_change' are on no grid that it could be of", 'Leave it out: a day has 24 hours.')
  } else if (step.kind === 'fixed') {
    const { micros } = step
    if (micros < MICROS_PER_DAY ? MICROS_PER_DAY % micros !== 0n : micros % MICROS_PER_DAY !== 0n) {
      refuse(
        {},
        `every: ${every} neither divides a day nor is whole days`,
        'Choose one that does: 15m, 1h, 6h, 1d, 7d, 1mo.',
      )
    }
    if (partitionBy === 'month' && micros > MICROS_PER_DAY) {
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
  const known = zoneName(timeZone)
  if (known === null) {
    const close = nearest(timeZone, Intl.supportedValuesOf('timeZone'))
    refuse(
      {},
      `timeZone: "${timeZone}" is not a time zone`,
      `Write its IANA name, such as ${close.length > 0 ? close.join(' or ') : 'America/New_York'}.`,
    )
  } else if (known !== timeZone && known.toLowerCase() === timeZone.toLowerCase()) {
    refuse({}, `timeZone: "${timeZone}" is not how the time zone is written`, `Write ${known}.`)
  }
}

/**
 * As Intl writes it, an alias by its other name; null for what is no zone's name. An offset such as +01:00 has no daylight saving, and is
 * written as hours of the windows.
 */
function zoneName(name: string): string | null {
  if (!/^[A-Za-z]/.test(name)) return null
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
  } catch {
    return null
  }
}

interface Step {
  readonly every: Period
  readonly text: string
  /** Else rows follow events, and windows may have any fixed length. */
  readonly isGrid: boolean
}

function checkWindows(windows: FeatureDefinition['windows'], place: Place, step: Step, refuse: Refuse): void {
  for (const [i, window] of windows.entries()) {
    if (windows.indexOf(window) !== i) refuse(place, `the window ${window} is there twice`, 'Leave one out.')
    const { length, offset } = placed(refuse, place, () => parseWindow(window))
    if (length !== null) checkLength('window', length, place, step, refuse)
    if (offset !== null) checkLength('offset', offset, place, step, refuse)
  }
}

function checkLength(what: string, text: string, place: Place, { every, ...step }: Step, refuse: Refuse): void {
  const length = placed(refuse, place, () => parsePeriod(text, 'over'))
  if (!step.isGrid) {
    if (length.kind === 'months') {
      refuse(
        place,
        `the ${what} ${text} has no fixed length, which rows: 'on_change' need`,
        'Write it in days, such as 30d.',
      )
    }
    return
  }
  if (isMultiple(length, every)) return
  const whole = `Choose ${what}s of whole steps of ${step.text}, or another step`
  refuse(
    place,
    `the ${what} ${text} is not a multiple of every: ${step.text}`,
    length.kind === every.kind ? `${whole}.` : `${whole}: months go with steps of months only, such as every: '1mo'.`,
  )
}

function isMultiple(length: Period, step: Period): boolean {
  if (length.kind === 'months') return step.kind === 'months' && length.months % step.months === 0n
  return step.kind === 'fixed' && length.micros % step.micros === 0n
}
