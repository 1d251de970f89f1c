import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { configSchema, describeIssue, HindcastError, type ProjectConfig } from '../contract/index.ts'
import { normalizeUri, toUri } from './files/index.ts'
import { importProjectFile } from './project-module.ts'

export const CONFIG_FILE = 'hindcast.config.ts'

/** A project's folder and its checked configuration; paths are absolute. */
export interface ProjectSettings {
  readonly dir: string
  readonly config: ProjectConfig
  /** Folder of what the embedded services keep. */
  readonly stateDir: string
  /** URI, without a slash at its end. */
  readonly warehouse: string
  /** URIs of the folders below which files may be written and deleted: the warehouse's and others that the configuration names. */
  readonly writableRoots: readonly string[]
  readonly featuresDir: string
  readonly scratchDir: string
}

/**
 * Reads `hindcast.config.ts` of a project's folder.
 * @throws CONFIG_INVALID naming file and field
 */
export async function loadSettings(projectDir: string, env: NodeJS.ProcessEnv = process.env): Promise<ProjectSettings> {
  const dir = resolve(projectDir)
  const file = join(dir, CONFIG_FILE)
  if (!existsSync(dir) || !statSync(dir).isDirectory()) {
    throw new HindcastError('CONFIG_INVALID', `${dir} is not a folder`, {
      hint: 'Give the project folder with --project DIR.',
    })
  }
  if (!existsSync(file)) {
    throw new HindcastError('CONFIG_INVALID', `there is no ${CONFIG_FILE} in ${dir}`, {
      hint: `Run in a project's folder, name it with --project DIR, or make one: export default defineConfig({}).`,
    })
  }
  const config = parseConfig(await readDefault(file), file, env)
  const stateDir = join(dir, '.hindcast')
  const warehouse = placeUri(dir, config.warehouse)
  return {
    dir,
    config,
    stateDir,
    warehouse,
    writableRoots: [warehouse, ...config.storage.alsoWritable.map((place) => placeUri(dir, place))],
    featuresDir: join(dir, 'features'),
    scratchDir: join(stateDir, 'scratch'),
  }
}

/** The URI of a place that the configuration names: of a folder, relative to the project's, or in S3. */
function placeUri(dir: string, place: string): string {
  const uri = /^\w+:/.test(place) ? normalizeUri(place) : toUri(resolve(dir, place))
  return uri.replace(/\/+$/, '')
}

async function readDefault(file: string): Promise<unknown> {
  let loaded: Record<string, unknown>
  try {
    loaded = await importProjectFile(file, String(statSync(file).mtimeMs))
  } catch (cause) {
    throw new HindcastError('CONFIG_INVALID', `${file} cannot be read: ${messageOf(cause)}`, {
      hint: 'Mend the file; it must be TypeScript that Node can run and end in `export default defineConfig({ … })`.',
      cause,
    })
  }
  if (!('default' in loaded)) {
    throw new HindcastError('CONFIG_INVALID', `${file} has no default export`, {
      hint: 'Write `export default defineConfig({ … })`.',
    })
  }
  return loaded['default']
}

/** Checks a configuration after `${ENV}` was put in. */
export function parseConfig(value: unknown, file: string, env: NodeJS.ProcessEnv): ProjectConfig {
  const parsed = configSchema.safeParse(expandEnv(value, file, env, []))
  if (parsed.success) return parsed.data
  throw new HindcastError('CONFIG_INVALID', `${file}: ${parsed.error.issues.map(describeIssue).join('; ')}`, {
    hint: 'Every field is described in src/contract/config.ts; leave one out for its default.',
  })
}

/** Replaces `${NAME}` in every string by the environment's value. */
function expandEnv(value: unknown, file: string, env: NodeJS.ProcessEnv, path: readonly string[]): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\{([A-Za-z_]\w*)\}/g, (_, name: string) => {
      const found = env[name]
      if (found === undefined) {
        throw new HindcastError(
          'CONFIG_INVALID',
          `${file}: ${path.join('.')} needs the environment variable ${name}, which is not set`,
          {
            hint: `Set ${name}, or take \${${name}} out of the configuration.`,
          },
        )
      }
      return found
    })
  }
  if (Array.isArray(value)) return value.map((item, i) => expandEnv(item, file, env, [...path, String(i)]))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, expandEnv(item, file, env, [...path, key])]),
    )
  }
  return value
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
