import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker'
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is compiled into the workflows' code, and not known before the worker runs. */
export interface BundleVariant {
  /** Messages of failures are encrypted with the rest. */
  readonly encrypted: boolean
  /** Workflows have spans. */
  readonly traced: boolean
}

const either = [false, true]

export const bundleVariants: readonly BundleVariant[] = either.flatMap((encrypted) =>
  either.map((traced) => ({ encrypted, traced })),
)

export const bundleFile = ({ encrypted, traced }: BundleVariant): string =>
  `workflow-bundle${encrypted ? '.encrypted' : ''}${traced ? '.traced' : ''}.js`

/** A module of workflows/, as it lies beside this one: a source, or what the build made of it. */
const workflowModule = (name: string): string =>
  fileURLToPath(new URL(`../workflows/${name}${extname(import.meta.url)}`, import.meta.url))

/** Converts failures in workflows and activities of a worker that encrypts. */
export const failureConverterPath = (): string => workflowModule('failure-converter')

/** @param logLevel of the bundler */
export const makeBundle = (
  { encrypted, traced }: BundleVariant,
  logLevel: 'WARN' | 'ERROR' = 'ERROR',
): Promise<WorkflowBundle> =>
  bundleWorkflowCode({
    workflowsPath: workflowModule('index'),
    ...(encrypted ? { failureConverterPath: failureConverterPath() } : {}),
    ...(traced ? { workflowInterceptorModules: [workflowModule('trace-interceptors')] } : {}),
    logger: new DefaultLogger(logLevel),
  })

/** The bundle that the build made, else one made now from the sources. */
export function workflowBundle(variant: BundleVariant): Promise<WorkflowBundle | { codePath: string }> {
  const built = fileURLToPath(new URL(`../${bundleFile(variant)}`, import.meta.url))
  return existsSync(built) ? Promise.resolve({ codePath: built }) : makeBundle(variant)
}
