/**
 * Runs `work` on every item, `limit` at a time, and gives the results in the order of the items. After a failure nothing more is begun; the
 * first one is thrown once all that had begun has ended: what follows, a retry or a clean-up, meets no work that still writes.
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++
      try {
        results[index] = await work(items[index] as T)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}

/** Manifests in flight at once: enough to hide storage's latency, few enough to bound memory. */
export const MANIFEST_READS = 8

/** Packed manifests that may be in memory at once, in bytes. */
const bytesInFlight = 64n << 20n

/** As `MANIFEST_READS`, of manifests that are no larger than this: more of small ones, of which there are many. */
export const manifestReads = (largestBytes: bigint): number =>
  largestBytes <= 0n ? MANIFEST_READS : Math.min(Math.max(Number(bytesInFlight / largestBytes), MANIFEST_READS), 32)
