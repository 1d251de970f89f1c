import { setTimeout as delay } from 'node:timers/promises'

/** Waits until a condition holds, looking again every 50 ms; fails after a minute, saying what was waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited a minute in vain until ${what}`)
    await delay(50)
  }
}
