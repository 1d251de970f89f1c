import { registerHooks } from 'node:module'
import { sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const library = new URL(import.meta.url.endsWith('.ts') ? '../index.ts' : '../index.js', import.meta.url).href
const tag = 'hindcast'
let hooked = false

/**
 * Imports a TypeScript file of a project. A module that Node has loaded once stays as it was, so the file and all it imports are
 * loaded under a tag: a new tag reads them anew. `hindcast` means this very library, installed in the project or not.
 */
export async function importProjectFile(file: string, generation: string): Promise<Record<string, unknown>> {
  hookImports()
  const url = pathToFileURL(file)
  url.searchParams.set(tag, generation)
  return (await import(/* @vite-ignore */ url.href)) as Record<string, unknown>
}

function hookImports(): void {
  if (hooked) return
  hooked = true
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const parent = context.parentURL === undefined ? null : URL.parse(context.parentURL)
      const generation = parent?.searchParams.get(tag) ?? null
      if (generation === null) return nextResolve(specifier, context)
      if (specifier === 'hindcast') return { url: library, shortCircuit: true }
      const resolved = nextResolve(specifier, context)
      const url = URL.parse(resolved.url)
      if (url?.protocol !== 'file:' || fileURLToPath(url).includes(`${sep}node_modules${sep}`)) return resolved
      url.searchParams.set(tag, generation)
      return { ...resolved, url: url.href }
    },
  })
}
