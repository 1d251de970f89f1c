import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path/posix'
import { parseSync } from 'oxc-parser'

/** What the files of a folder may import. The folder name says where code may run; this is what holds it to that. */
interface Boundary {
  /** Folders of the repository that it holds for. */
  readonly folders: readonly string[]
  /** Says why in the report. */
  readonly rule: string
  readonly forbids: (target: ImportTarget) => boolean
}

interface ImportTarget {
  /** A package or built-in name ('zod', 'node:fs'), or a path from the repository's root ('src/io/runtime.ts'). */
  readonly name: string
  readonly isFile: boolean
  /** Erased before the code runs. */
  readonly typeOnly: boolean
}

export interface Violation {
  readonly file: string
  readonly line: number
  readonly imported: string
  readonly rule: string
}

const builtIns = new Set(builtinModules)

const isBuiltIn = ({ name, isFile }: ImportTarget) => !isFile && (name.startsWith('node:') || builtIns.has(name))
const isPackage = (target: ImportTarget, prefix: string) => !target.isFile && target.name.startsWith(prefix)
const isIn = (target: ImportTarget, ...folders: readonly string[]) =>
  target.isFile && folders.some((folder) => target.name.startsWith(`${folder}/`))
const isOneOf = (target: ImportTarget, names: readonly string[]) => !target.isFile && names.includes(target.name)

/** Built-ins that only compute. */
const pureBuiltIns = [
  'node:buffer',
  'node:crypto',
  'node:path',
  'node:path/posix',
  'node:util',
  'node:zlib',
  'node:assert',
]
const pure = ['definition', 'compile', 'iceberg', 'audit', 'report'].map((name) => `src/${name}`)
const workflowSafe = ['src/plan', 'src/contract']
const wiring = ['activities', 'workflows', 'workers', 'cli', 'features']

const boundaries: readonly Boundary[] = [
  {
    folders: [...pure, ...workflowSafe],
    rule: 'pure code reaches no disk, network, process or engine',
    forbids: (target) =>
      (isBuiltIn(target) && !isOneOf(target, pureBuiltIns)) ||
      isPackage(target, '@duckdb/') ||
      isPackage(target, '@temporalio/') ||
      isIn(target, 'src/io', ...wiring),
  },
  {
    folders: workflowSafe,
    rule: 'code that workflows run uses no Node built-in',
    forbids: isBuiltIn,
  },
  {
    folders: ['src/io'],
    rule: 'side effects know nothing of Temporal',
    forbids: (target) => isPackage(target, '@temporalio/') || isIn(target, ...wiring),
  },
  {
    folders: ['activities'],
    rule: 'activities know neither the workflows that call them nor the process they run in',
    forbids: (target) => isIn(target, 'workflows', 'workers'),
  },
  {
    folders: ['workflows'],
    rule: 'workflows import values only of @temporalio/workflow, @temporalio/common, OpenTelemetry, src/contract and src/plan',
    forbids: (target) =>
      !target.typeOnly &&
      !isOneOf(target, ['@temporalio/workflow', '@temporalio/common']) &&
      !isOneOf(target, ['@opentelemetry/api', '@opentelemetry/sdk-trace-base']) &&
      !isPackage(target, '@temporalio/interceptors-opentelemetry/lib/') &&
      !isIn(target, 'workflows', ...workflowSafe),
  },
  {
    folders: ['features'],
    rule: "definitions import 'hindcast' and each other",
    forbids: (target) => !isOneOf(target, ['hindcast']) && !isIn(target, 'features'),
  },
  {
    folders: ['src', 'activities', 'workflows', 'workers', 'features'],
    rule: 'nothing but the command line imports cli',
    forbids: (target) => isIn(target, 'cli'),
  },
]

/**
 * Imports of a file that its folder forbids. Relative specifiers are resolved by their text alone: they name real files, which the
 * type checker sees to.
 *
 * @param file path from the repository's root, with slashes
 */
export function findViolations(file: string, source: string): readonly Violation[] {
  const rules = boundaries.filter(({ folders }) => folders.some((folder) => file.startsWith(`${folder}/`)))
  if (rules.length === 0) return []
  return importsOf(file, source).flatMap(({ target, offset }) =>
    rules
      .filter(({ forbids }) => forbids(target))
      .map(({ rule }) => ({ file, line: source.slice(0, offset).split('\n').length, imported: target.name, rule })),
  )
}

interface FoundImport {
  readonly target: ImportTarget
  readonly offset: number
}

function importsOf(file: string, source: string): readonly FoundImport[] {
  const { module, errors } = parseSync(file, source)
  const [error] = errors
  if (error !== undefined) throw new Error(`${file} cannot be parsed: ${error.message}`)
  const found = (specifier: string, offset: number, typeOnly: boolean): FoundImport => {
    const isFile = specifier.startsWith('.')
    return { target: { name: isFile ? join(dirname(file), specifier) : specifier, isFile, typeOnly }, offset }
  }
  const allTypes = (entries: readonly { readonly isType: boolean }[]) =>
    entries.length > 0 && entries.every(({ isType }) => isType)
  return [
    ...module.staticImports.map(({ moduleRequest, entries, start }) =>
      found(moduleRequest.value, start, allTypes(entries)),
    ),
    ...module.staticExports.flatMap(({ entries, start }) => {
      const specifier = entries.find(({ moduleRequest }) => moduleRequest !== null)?.moduleRequest?.value
      return specifier === undefined ? [] : [found(specifier, start, allTypes(entries))]
    }),
    ...module.dynamicImports.map(({ moduleRequest, start }) =>
      found(literal(source.slice(moduleRequest.start, moduleRequest.end)), start, false),
    ),
  ]
}

/** What stands between the quotes; an expression stays as it is, and is then no file or package that a rule allows. */
const literal = (text: string): string => /^(['"`])(.*)\1$/s.exec(text)?.[2] ?? text
