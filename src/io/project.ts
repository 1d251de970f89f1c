import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { HindcastError, isHindcastError, nearest } from '../contract/index.ts'
import { canonicalView, isFeatureView, type ViewDefinition } from '../definition/index.ts'
import { codeVersion } from './code-version.ts'
import { inFile } from './definition-file.ts'
import { CONFIG_FILE, type ProjectSettings } from './project-config.ts'
import { importProjectFile } from './project-module.ts'

export interface LoadedView {
  readonly definition: ViewDefinition
  /** The file that defines it, relative to the project's folder. */
  readonly file: string
}

export interface Definitions {
  readonly views: ReadonlyMap<string, LoadedView>
  readonly codeVersion: string
}

/**
 * Loads every feature view below a project's `features/`, as the files are now.
 * @throws DEFINITION_INVALID naming the file, and the view, feature and column where it knows them
 */
export async function loadDefinitions(settings: ProjectSettings): Promise<Definitions> {
  const files = await definitionFiles(settings)
  // Asking git takes as long as loading them all.
  const version = codeVersion(settings.dir, [...files, join(settings.dir, CONFIG_FILE)])
  version.catch(() => undefined)
  const generation = await contentHash(files)
  const views = new Map<string, LoadedView>()
  for (const path of files) {
    const file = relative(settings.dir, path)
    const exported = await importDefinitions(path, file, generation)
    for (const value of Object.values(exported)) {
      if (!isFeatureView(value)) continue
      const definition = inFile(file, () => canonicalView(value))
      const other = views.get(definition.name)
      // The same view may be exported again by a file that gathers others.
      if (other !== undefined && JSON.stringify(other.definition) !== JSON.stringify(definition)) {
        throw new HindcastError(
          'DEFINITION_INVALID',
          `two feature views are named ${definition.name}: in ${other.file} and ${file}`,
          { hint: 'Rename one: a view’s name is the name of its table.', context: { view: definition.name, file } },
        )
      }
      views.set(definition.name, other ?? { definition, file })
    }
  }
  return { views, codeVersion: await version }
}

/** @throws VIEW_NOT_FOUND with the nearest names */
export function findView(definitions: Definitions, name: string): LoadedView {
  const view = definitions.views.get(name)
  if (view !== undefined) return view
  const names = [...definitions.views.keys()]
  const close = nearest(name, names)
  throw new HindcastError('VIEW_NOT_FOUND', `there is no feature view named "${name}"`, {
    hint:
      close.length > 0
        ? `Did you mean ${close.join(' or ')}?`
        : names.length > 0
          ? `This project has ${names.join(', ')}.`
          : 'This project defines no feature view yet: export one from a file in features/.',
    context: { view: name, views: names },
  })
}

async function definitionFiles(settings: ProjectSettings): Promise<string[]> {
  if (!existsSync(settings.featuresDir)) return []
  const entries = await readdir(settings.featuresDir, { recursive: true })
  return entries
    .filter((entry) => entry.endsWith('.ts') && !entry.endsWith('.d.ts') && !entry.endsWith('.test.ts'))
    .sort()
    .map((entry) => join(settings.featuresDir, entry))
}

async function contentHash(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(await readFile(file))
      .update('\0')
  return hash.digest('hex').slice(0, 16)
}

async function importDefinitions(path: string, file: string, generation: string): Promise<Record<string, unknown>> {
  try {
    return await importProjectFile(path, generation)
  } catch (cause) {
    if (isHindcastError(cause)) {
      return inFile(file, () => {
        throw cause
      })
    }
    throw new HindcastError(
      'DEFINITION_INVALID',
      `${file} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        hint: `Mend the file; \`node ${file}\` shows the same error.`,
        context: { file },
        cause,
      },
    )
  }
}
