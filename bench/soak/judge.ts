import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { loadSettings } from '../../src/io/project-config.ts'
import { readJson } from '../../src/io/run-store.ts'
import { openRuntime } from '../../src/io/runtime.ts'
import type { TestProject } from '../../tests/support/project.ts'
import { reachableFiles, warehouseFiles } from '../../tests/support/reachable.ts'
import { loadFeatureTable, mainBytes } from '../../tests/support/table-bytes.ts'
import type { ReferenceBytes } from './project.ts'

/** After all is over: both tables whole, and after a clean-up nothing beside them. */
export async function judgeRemains(
  project: TestProject,
  reference: ReferenceBytes,
  anomaly: (what: string) => void,
): Promise<void> {
  await judgeTables(project, reference, 'at the end', anomaly)
  await delay(2_000)
  const age = ['--older-than', '1s', '--expire-older-than', '1s', '--force']
  const { code, stdout, stderr } = await project.hindcast('gc', ...age, '--json')
  if (code !== 0) anomaly(`the last gc ended with ${String(code)}: ${stdout} ${stderr}`)
  await judgeTables(project, reference, 'after the last gc', anomaly)

  const settings = await loadSettings(project.dir)
  const runtime = await openRuntime(settings)
  try {
    const [left, reachable] = [await warehouseFiles(runtime), await reachableFiles(runtime)]
    const isClaims = (path: string): boolean => path.includes('/claims/')
    for (const path of left) if (!reachable.has(path) && !isClaims(path)) anomaly(`nothing refers to ${path}`)
    for (const path of reachable) if (!left.includes(path)) anomaly(`${path} is gone, and referred to`)
    for (const folder of Map.groupBy(left.filter(isClaims), (path) => path.slice(0, path.lastIndexOf('/'))).values()) {
      const newest = folder.sort().at(-1) ?? ''
      const { claims } = await readJson<{ readonly claims: readonly unknown[] }>(runtime.io, newest)
      if (claims.length > 0) anomaly(`${newest} still claims ${JSON.stringify(claims)}`)
    }
  } finally {
    await runtime.close()
  }
  const scratch = await readdir(settings.scratchDir).catch(() => [])
  if (scratch.length > 0) anomaly(`${scratch.length} scratch folders are left in ${settings.scratchDir}`)
}

async function judgeTables(
  { dir }: TestProject,
  reference: ReferenceBytes,
  when: string,
  anomaly: (what: string) => void,
): Promise<void> {
  for (const [view, wanted] of reference) {
    const found = await mainBytes(dir, view)
    const differing = [...new Set([...wanted.keys(), ...found.keys()])].filter(
      (partition) => wanted.get(partition)?.join() !== found.get(partition)?.join(),
    )
    if (differing.length > 0) anomaly(`${view} ${when}: partitions ${differing.join(', ')} are not the reference's`)
    const refs = Object.keys((await loadFeatureTable(dir, view))?.metadata.refs ?? {})
    if (refs.join() !== 'main') anomaly(`${view} ${when}: its branches are ${refs.join(', ')}`)
  }
}
