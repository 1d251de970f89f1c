import { mulberry32 } from '../mulberry32.ts'

/** Numbers drawn by a seed: the same seed draws the same. */
export interface Random {
  /** Of `[low, high)`. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
}

/** @param purpose who draws: loops that run side by side have a sequence each, for theirs to be the same whoever comes first */
export function seeded(seed: number, purpose: string): Random {
  let state = seed | 0
  for (let i = 0; i < purpose.length; i++) state = Math.imul(state ^ purpose.charCodeAt(i), 0x01000193)
  const next = mulberry32(state)
  return {
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T,
  }
}
