/**
 * How a clean-up and the start of a run keep out of each other's way. A clean-up announces itself by a marker in the folder of a table's
 * runs, and only then looks which runs there are; a run first makes its folder, and then waits for markers to go. So either the clean-up
 * sees the run and spares what it may use, or the run finds the clean-up done, and reuses nothing that is about to be deleted. The
 * clean-up keeps writing its marker anew; one that was not written for a while is a dead one's, and goes.
 *
 * Each side measures with its own clock only: clocks that differ, or jump, do not matter.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { HindcastError } from '../contract/index.ts'
import { mapConcurrently, type ListedFile } from '../iceberg/index.ts'
import type { WarehouseFiles } from './files/index.ts'

/** Unchanged for so long, a marker is a dead clean-up's. The clean-up itself stops deleting well before. */
const deadAfterMs = 15_000
const stopAfterMs = 8_000
const renewEveryMs = 2_000
const pollMs = 100

/** A folder of their own, so that a run need not list all the others' files. No run's id begins with a dot. */
export const sweepsFolder = (runsFolder: string): string => `${runsFolder}/.sweeps`

const bytesOf = (turn: number): Uint8Array => new TextEncoder().encode(`${turn}\n`)

export interface Sweep extends AsyncDisposable {
  /** The path of its marker; null for one that deletes nothing, and is not announced. */
  readonly marker: string | null
  /** To be called before every deletion. @throws STORAGE_UNAVAILABLE when others may take this clean-up for dead */
  check(): void
}

/** Announces a clean-up of a table until it is disposed of. `now`: ms from any beginning. */
export async function announceSweep(
  io: WarehouseFiles,
  runsFolder: string,
  now = (): number => performance.now(),
): Promise<Sweep> {
  const marker = `${sweepsFolder(runsFolder)}/${randomUUID()}`
  let turn = 0
  let renewedMs = now()
  const renew = async (): Promise<void> => {
    // Before it is written: others see it no earlier.
    const startedMs = now()
    await io.replace(marker, bytesOf(turn++))
    renewedMs = startedMs
  }
  await renew()
  let renewing: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    renewing = renewing.then(renew).catch(() => undefined)
  }, renewEveryMs)
  return {
    marker,
    check: () => {
      if (now() - renewedMs < stopAfterMs) return
      throw new HindcastError(
        'STORAGE_UNAVAILABLE',
        `the clean-up could not announce itself in ${runsFolder} in time`,
        {
          hint: 'Nothing more is deleted. Start it again.',
        },
      )
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await renewing
      await io.delete(marker)
    },
  }
}

/** Waits until no clean-up that was announced before is at work in a table's folder; one that is silent for `patienceMs` is dead. */
export async function sweepsOver(io: WarehouseFiles, runsFolder: string, patienceMs = deadAfterMs): Promise<void> {
  const markers: string[] = []
  for await (const { path } of io.list(sweepsFolder(runsFolder))) markers.push(path)
  await Promise.all(markers.map((marker) => gone(io, marker, patienceMs)))
}

async function gone(io: WarehouseFiles, marker: string, patienceMs: number): Promise<void> {
  for (;;) {
    const outcome = await watch(io, marker, { patienceMs })
    if (outcome === 'silent') return io.delete(marker)
    if (outcome === 'gone') return
  }
}

interface Watch {
  /** How long a marker is unchanged before its clean-up is dead. */
  readonly patienceMs?: number
  readonly signal?: AbortSignal
}

const watched = 8
/** What a killed writer has left is no marker, and goes by its age. */
const isUnfinished = /\/\.[^/]*$/

/** The markers in a table's folder, but for one's own, that belong to dead clean-ups. Waits for their silence, and for nothing where there are none. */
export async function deadSweeps(
  io: WarehouseFiles,
  runsFolder: string,
  { own, ...options }: Watch & { readonly own: string | null },
): Promise<readonly ListedFile[]> {
  const others: ListedFile[] = []
  for await (const file of io.list(sweepsFolder(runsFolder)))
    if (file.path !== own && !isUnfinished.test(file.path)) others.push(file)
  const outcomes = await mapConcurrently(others, watched, ({ path }) => watch(io, path, options))
  return others.filter((_, index) => outcomes[index] === 'silent')
}

/** Waits until a marker is gone, has been written anew, or was silent for so long that it is a dead clean-up's. */
async function watch(
  io: WarehouseFiles,
  marker: string,
  { patienceMs = deadAfterMs, signal }: Watch,
): Promise<'gone' | 'renewed' | 'silent'> {
  const seen = await textOf(io, marker)
  const sinceMs = performance.now()
  for (let text = seen; text !== null; text = await textOf(io, marker)) {
    if (text !== seen) return 'renewed'
    if (performance.now() - sinceMs > patienceMs) return 'silent'
    await delay(pollMs)
    signal?.throwIfAborted()
  }
  return 'gone'
}

async function textOf(io: WarehouseFiles, path: string): Promise<string | null> {
  if ((await io.size(path)) === null) return null
  const bytes = await io.read(path).catch(async (error: unknown) => {
    if ((await io.size(path)) === null) return null
    throw error
  })
  return bytes === null ? null : new TextDecoder().decode(bytes)
}
