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
  let [seen, sinceMs] = ['', performance.now()]
  for (;;) {
    const text = await textOf(io, marker)
    if (text === null) return
    if (text !== seen) [seen, sinceMs] = [text, performance.now()]
    else if (performance.now() - sinceMs > patienceMs) return io.delete(marker)
    await delay(pollMs)
  }
}

async function textOf(io: WarehouseFiles, path: string): Promise<string | null> {
  if ((await io.size(path)) === null) return null
  const bytes = await io.read(path).catch(async (error: unknown) => {
    if ((await io.size(path)) === null) return null
    throw error
  })
  return bytes === null ? null : new TextDecoder().decode(bytes)
}
