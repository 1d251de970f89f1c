import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What a case says of itself on its last line. */
export interface Measured {
  readonly seconds: number
  /** Peak resident set of its process. */
  readonly megabytes: number
  readonly rows: number
  /** Seconds of its parts. */
  readonly laps?: Readonly<Record<string, number>>
  /** What else it counted. */
  readonly counts?: Readonly<Record<string, number>>
}

/** Runs a case in a process of its own, for its memory to be its own. */
export const runCase = (name: string, ...args: readonly string[]): Promise<Measured> =>
  runProgram(process.execPath, [
    // As bin/hindcast has it.
    '--max-semi-space-size=64',
    fileURLToPath(new URL(`cases/${name}.ts`, import.meta.url)),
    ...args,
  ])

/** Runs a program that says on its last line what it took. */
export function runProgram(program: string, args: readonly string[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => {
      const last = out.trim().split('\n').at(-1)
      if (code === 0 && last !== undefined) resolve(JSON.parse(last) as Measured)
      else reject(new Error(`${args[0] ?? program} ended with ${String(code)}`))
    })
  })
}

/** Runs programs in turn, so that a noisy minute falls on all. */
export async function inTurn(
  runs: number,
  programs: ReadonlyMap<string, () => Promise<Measured>>,
): Promise<Map<string, Measured[]>> {
  const cases = new Map<string, Measured[]>([...programs.keys()].map((name) => [name, []]))
  for (let run = 0; run < runs; run++) {
    for (const [name, program] of programs) cases.get(name)?.push(await program())
  }
  return cases
}

/** Says what a case took, as `runCase` reads it. */
export function report(
  startedMs: number,
  rows: number,
  laps: Readonly<Record<string, number>> = {},
  counts: Readonly<Record<string, number>> = {},
): void {
  const seconds = (performance.now() - startedMs) / 1000
  const megabytes = process.resourceUsage().maxRSS / 1024
  process.stdout.write(`${JSON.stringify({ seconds, megabytes, rows, laps, counts } satisfies Measured)}\n`)
}

/** Bytes that this process has read from files and elsewhere so far, from the page cache too; null where the system does not count them. */
export async function bytesRead(): Promise<number | null> {
  const counters = await readFile('/proc/self/io', 'utf8').catch(() => '')
  const [, bytes] = /^rchar: (\d+)$/m.exec(counters) ?? []
  return bytes === undefined ? null : Number(bytes)
}

/** The median of each of a case's parts. */
export function lapsOf(runs: readonly Measured[]): string {
  const names = Object.keys(runs[0]?.laps ?? {})
  return names.map((lap) => `${lap} ${median(runs.map(({ laps }) => laps?.[lap] ?? 0)).toFixed(2)} s`).join(', ')
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b)
export const median = (values: readonly number[]): number => sorted(values)[Math.floor(values.length / 2)] ?? Number.NaN

const spread = (values: readonly number[], digits: number): string => {
  const ordered = sorted(values)
  return [ordered[0], median(values), ordered.at(-1)].map((value) => (value ?? Number.NaN).toFixed(digits)).join(' / ')
}

/** A Markdown table with minimum, median and maximum of each case, and its medians' ratio to the first. */
export function markdown(cases: ReadonlyMap<string, readonly Measured[]>): string {
  const [baseline] = cases.values()
  const ratio = (runs: readonly Measured[], pick: (run: Measured) => number): string =>
    (median(runs.map(pick)) / median((baseline ?? []).map(pick))).toFixed(2)
  return [
    '| case | rows | seconds (min / median / max) | ratio | peak MB (min / median / max) | ratio |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...[...cases].map(([name, runs]) => {
      const [seconds, megabytes] = [runs.map((run) => run.seconds), runs.map((run) => run.megabytes)]
      return `| ${name} | ${runs[0]?.rows ?? ''} | ${spread(seconds, 1)} | ${ratio(runs, (run) => run.seconds)} | ${spread(megabytes, 0)} | ${ratio(runs, (run) => run.megabytes)} |`
    }),
  ].join('\n')
}

/** A Markdown table of two columns: what, and how much. */
export const factsTable = (facts: readonly (readonly [what: string, value: string | number])[]): string =>
  ['| what | |', '| --- | -: |', ...facts.map(([what, value]) => `| ${what} | ${value} |`)].join('\n')

export const machine = (): string =>
  `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
