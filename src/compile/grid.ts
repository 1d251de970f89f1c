import { floorDiv, type Micros, parseDuration } from '../contract/index.ts'
import type { ViewDefinition } from '../definition/index.ts'

/**
 * Time as the SQL counts it: whole tiles from `base`. A tile is the longest stretch that divides the grid's step and every window, so
 * that each window is a whole number of tiles; it is the step itself where the windows are multiples of it.
 */
export interface Grid {
  /** Length of a tile. */
  readonly tile: Micros
  /** Start of tile 0: at or before all that the slice reads, and on the boundary of a largest block and of the grid. */
  readonly base: Micros
  /** Tiles between two grid points; a tile number is a grid point's when it is a multiple of this. */
  readonly stride: bigint
  /** The slice's grid points are the multiples of `stride` in `[first, end)`. */
  readonly first: bigint
  readonly end: bigint
  /** Event times that the slice's rows see: `[readFrom, readTo)`. */
  readonly readFrom: Micros
  readonly readTo: Micros
  /** Tiles that a window spans, by the window's text. */
  readonly widths: ReadonlyMap<string, bigint>
  /** Sizes of blocks in tiles: 1 and its multiples by `BLOCK_FANOUT`, up to the longest window. */
  readonly blockSizes: readonly bigint[]
}

/** Blocks of one size that make up one of the next. */
export const BLOCK_FANOUT = 4n

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b))
const ceilDiv = (a: bigint, b: bigint): bigint => -floorDiv(-a, b)

const windowsOf = (definition: ViewDefinition): Map<string, Micros> =>
  new Map(
    definition.features.flatMap(({ name, windows }) =>
      windows.map((window): [string, Micros] => [window, parseDuration(window, `features.${name}.over`)]),
    ),
  )

/** How far before its feature time a row of the view can see: its longest window. @throws DEFINITION_INVALID */
export function lookback(definition: ViewDefinition): Micros {
  let longest = 0n
  for (const micros of windowsOf(definition).values()) if (micros > longest) longest = micros
  return longest
}

/** The grid of the rows whose feature time lies in `[from, to)`. @throws DEFINITION_INVALID for what is no length of time */
export function sliceGrid(definition: ViewDefinition, range: { readonly from: Micros; readonly to: Micros }): Grid {
  const every = parseDuration(definition.every, 'every')
  const windows = windowsOf(definition)
  const longest = lookback(definition)
  const tile = [...windows.values()].reduce(gcd, every)
  const stride = every / tile

  const blockSizes = [1n]
  for (let size = BLOCK_FANOUT; size * tile <= longest; size *= BLOCK_FANOUT) blockSizes.push(size)
  // Blocks lie on multiples of their size from 1970 on, whatever the slice: a block holds the same events in every slice.
  const alignment = (blockSizes.at(-1) ?? 1n) * stride * tile

  const firstPoint = ceilDiv(range.from, every) * every
  const endPoint = ceilDiv(range.to, every) * every
  const readFrom = firstPoint - longest
  const base = floorDiv(readFrom, alignment) * alignment
  return {
    tile,
    base,
    stride,
    first: (firstPoint - base) / tile,
    end: (endPoint - base) / tile,
    readFrom,
    readTo: endPoint - every,
    widths: new Map([...windows].map(([text, micros]) => [text, micros / tile])),
    blockSizes,
  }
}
