import { setTimeout as delay } from 'node:timers/promises'

/** Why a worker cannot take work now. */
export interface NotReady {
  readonly check: string
  readonly message: string
}

/** Resolves when the part works; rejects with what is wrong. */
export type Check = () => Promise<void>

export interface ReadinessOptions {
  readonly checks: Readonly<Record<string, Check>>
  /** A check that takes longer has failed, ms. */
  readonly timeoutMs: number
  /** An answer is given again for so long, ms: probes must not weigh on what they look at. */
  readonly keptMs: number
  readonly now: () => number
}

/** Looks at all parts at once; many that ask at the same time share one look. */
export function createReadiness({
  checks,
  timeoutMs,
  keptMs,
  now,
}: ReadinessOptions): () => Promise<readonly NotReady[]> {
  const look = async (): Promise<readonly NotReady[]> => {
    const findings = await Promise.all(
      Object.entries(checks).map(async ([check, holds]): Promise<NotReady | null> => {
        const message = await inTime(holds, timeoutMs).catch((error: unknown) =>
          error instanceof Error ? error.message : String(error),
        )
        return message === null ? null : { check, message }
      }),
    )
    return findings.filter((finding) => finding !== null)
  }
  let asked: { readonly atMs: number; readonly answer: Promise<readonly NotReady[]> } | null = null
  return () => {
    if (asked === null || now() - asked.atMs >= keptMs) asked = { atMs: now(), answer: look() }
    return asked.answer
  }
}

async function inTime(holds: Check, timeoutMs: number): Promise<null> {
  const stop = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`no answer within ${timeoutMs / 1000} s`)
  })
  try {
    await Promise.race([holds(), late])
    return null
  } finally {
    stop.abort()
    late.catch(() => undefined)
  }
}
