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
