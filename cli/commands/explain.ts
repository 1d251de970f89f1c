import { explainSlice, type ExplainedSlice, type ExplainedStatement } from '../../src/io/backfill/index.ts'
import type { CommandContext } from '../context.ts'
import { exitCodes, type ExitCode } from '../output.ts'

export interface ExplainOptions {
  readonly partition?: string
  readonly plan?: boolean
}

export async function explainCommand(
  context: CommandContext,
  [view = '']: readonly string[],
  { partition, plan = false }: ExplainOptions,
): Promise<ExitCode> {
  const request = { view, withPlan: plan, ...(partition === undefined ? {} : { partition }) }
  const explained = await explainSlice(await context.runtime(), request)
  context.output.result(explained, () => renderExplained(explained))
  return exitCodes.done
}

function renderExplained({ view, partition, statements, select }: ExplainedSlice): string {
  const head = `-- ${view}, partition ${partition.key}: feature times from ${partition.from} to ${partition.to}`
  return [head, ...statements.map(renderStatement), renderStatement(select)].join('\n\n')
}

const renderStatement = ({ sql, plan }: ExplainedStatement): string =>
  plan === null ? `${sql};` : `${sql};\n\n${plan.trimEnd().replaceAll(/^/gm, '-- ')}`
