import { Command, CommanderError, Option } from 'commander'
import { HindcastError } from '../src/contract/index.ts'
import { withContext, type CommandContext, type GlobalOptions } from './context.ts'
import { exitCodes, reportError, type ExitCode } from './output.ts'

const argv = process.argv.slice(2)
const wantsJson = argv.includes('--json')

type CommandAction<Options> = (context: CommandContext, args: readonly string[], options: Options) => Promise<ExitCode>

/** Adds the options that every command has, and runs it with its context. */
function define<Options extends object>(
  command: Command,
  examples: readonly string[],
  // Loaded when it is asked for: an engine and a Temporal client are half a second's work.
  load: () => Promise<CommandAction<Options>>,
): Command {
  return command
    .option('--json', 'one JSON document on stdout, nothing else')
    .addOption(new Option('--project <dir>', 'folder with hindcast.config.ts').default('.', 'this folder'))
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`)
    .action(async (...actionArgs: unknown[]) => {
      const self = actionArgs.at(-1) as Command
      const options = self.opts<Options & GlobalOptions>()
      const args = self.processedArgs.flat().filter((arg): arg is string => typeof arg === 'string')
      const run = await load()
      process.exitCode = await withContext(options, (context) => run(context, args, options))
    })
}

function wholeNumber(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= min && value <= max) return value
    throw new HindcastError('USAGE', `${name}: "${text}" is not a whole number from ${min} to ${max}`)
  }
}

const port = (name: string): ((text: string) => number) => wholeNumber(name, 0, 65_535)

const program = new Command('hindcast')
  .description('Durable feature backfills on Apache Iceberg, orchestrated by Temporal')
  .version('0.1.0')
  .showHelpAfterError('(add --help for the options and examples)')
  .exitOverride()
  .configureOutput({ writeErr: (text) => (wantsJson ? undefined : process.stderr.write(text)) })
  .addHelpText(
    'after',
    '\nExit codes: 0 done; 1 failed; 2 wrong usage; 3 audits refused; 4 waiting for approval; 5 conflict.',
  )

define(
  program
    .command('dev')
    .description('Temporal dev server, worker and web page in one terminal')
    .option('--port <n>', 'port of the Temporal server (0: any free one)', port('--port'))
    .option('--ui-port <n>', "port of Temporal's Web UI (0: any free one)", port('--ui-port'))
    .option('--web-port <n>', 'port of the Hindcast page (0: any free one)', port('--web-port'))
    .option('--health-port <n>', "port of the worker's health endpoints (0: any free one)", port('--health-port'))
    .option('--detach', 'start it in the background and return once it is ready')
    .option('--stop', 'stop the one that runs for this project'),
  ['hindcast dev', 'hindcast dev --detach', 'hindcast dev --stop', 'hindcast dev --port 7333'],
  async () => (await import('./commands/dev.ts')).devCommand,
)
define(
  program
    .command('worker')
    .description('a worker against the configured Temporal, until it is stopped')
    .option('--health-port <n>', 'port of /healthz, /readyz and /metrics (0: any free one)', port('--health-port')),
  ['hindcast worker', 'hindcast worker --health-port 8080', 'TEMPORAL_ADDRESS=temporal.example:7233 hindcast worker'],
  async () => (await import('./commands/worker.ts')).workerCommand,
)
define(
  program
    .command('codec-server')
    .description('lets the temporal command and the Web UI read what the project encrypts, until it is stopped')
    .option('--port <n>', 'where it listens on this machine (0: any free one)', port('--port'), 8236)
    .option('--origin <url>', 'of the Web UI whose pages may ask', 'http://127.0.0.1:8233'),
  ['hindcast codec-server', 'hindcast codec-server --origin https://temporal.example'],
  async () => (await import('./commands/codec-server.ts')).codecServerCommand,
)
define(
  program
    .command('import')
    .argument('<files...>', 'Parquet or CSV files')
    .description('append files to a source table, creating it')
    .requiredOption('--table <name>', 'namespace.table')
    .requiredOption('--event-time <column>', 'column with the time of each event')
    .addOption(
      new Option('--partition-by <unit>', 'partitions of the event time, when the table is created')
        .choices(['hour', 'day', 'month', 'none'])
        .default('day'),
    )
    .option('--force', 'import files that were imported before once more'),
  ['hindcast import flights.parquet --table raw.flights --event-time date'],
  async () => (await import('./commands/import.ts')).importCommand,
)
define(
  rangeOptions(
    program.command('plan').argument('<view>').description('what would be computed and why; changes nothing'),
  ).option('--out <file>', 'save the plan, to be run later by backfill --plan'),
  [
    'hindcast plan origin_delays --from 2001-01-02 --to 2001-07-02',
    'hindcast plan origin_delays --from 2001-01-02 --to 2001-07-02 --out plan.json',
  ],
  async () => (await import('./commands/plan.ts')).planCommand,
)
define(
  program
    .command('explain')
    .argument('<view>')
    .description('the SQL that computes one partition; reads its source rows, writes nothing')
    .option('--partition <time>', 'a time in the partition; by default the last one whose end the events reach')
    .option('--plan', "with the engine's query plans"),
  ['hindcast explain origin_delays', 'hindcast explain origin_delays --partition 2001-02-01 --plan'],
  async () => (await import('./commands/explain.ts')).explainCommand,
)
define(
  budgetOptions(
    rangeOptions(
      program
        .command('backfill')
        .argument('[view]')
        .description('compute, audit and publish one range of a feature view'),
    ),
  )
    .option('--plan <file>', 'run exactly the plan that `plan --out` saved; refused when the world moved since')
    .option('--require-approval', 'wait for approval before publishing')
    .option('--detach', 'return once the run is started (or waits for approval)')
    .option('--concurrency <n>', 'slices in flight at once', wholeNumber('--concurrency', 1, 500))
    .option('--with-upstream', 'first backfill the views that this one reads')
    .addOption(new Option('--on-overlap <what>', 'when another run works on the range').choices(['wait', 'refuse']))
    .option(
      '--priority <n>',
      'before runs with a larger number: 1 to 5, 3 by default',
      wholeNumber('--priority', 1, 5),
    ),
  [
    'hindcast backfill origin_delays --from 2001-01-02 --to 2001-07-02',
    'hindcast backfill origin_delays --from 2001-06-01 --to 2001-07-02 --force --require-approval',
    'hindcast backfill --plan plan.json',
  ],
  async () => (await import('./commands/backfill.ts')).backfillCommand,
)
define(
  program.command('status').argument('[run]').description('a run in detail, or the newest runs'),
  ['hindcast status', 'hindcast status origin_delays-20010102-20010702-k3x9'],
  async () => (await import('./commands/status.ts')).statusCommand,
)
for (const [action, description] of [
  ['pause', 'let running slices finish and start no more'],
  ['resume', 'go on after a pause'],
  ['approve', 'publish the audited snapshot of a run that waits for approval'],
  ['reject', 'refuse it: nothing is published'],
  ['narrow', 'end the range of a run earlier, and publish what is before it; by default what is finished'],
  ['cancel', 'stop a run: nothing is published, finished slices are kept'],
] as const) {
  const command = program.command(action).argument('<run>').description(description)
  if (action !== 'cancel') command.option('--reason <text>', 'why, for the record')
  if (action === 'approve' || action === 'reject')
    command.option('--plan <hash>', 'the plan that was looked at; refused when the run computed another')
  if (action === 'resume') budgetOptions(command)
  if (action === 'narrow') command.option('--to <time>', 'the new end of the range, exclusive')
  define(command, [`hindcast ${action} origin_delays-20010102-20010702-k3x9`], async () =>
    (await import('./commands/steer.ts')).steerCommand(action),
  )
}
define(
  program
    .command('retry')
    .argument('<run>')
    .description('start a run again that failed, was cancelled or was stopped; finished slices are reused')
    .option('--detach', 'return once the run is started (or waits for approval)'),
  ['hindcast retry origin_delays-20010102-20010702-k3x9'],
  async () => (await import('./commands/retry.ts')).retryCommand,
)
define(
  program.command('history').argument('<view>').description('the published snapshots of a feature view'),
  ['hindcast history origin_delays', 'hindcast history origin_delays --json'],
  async () => (await import('./commands/history.ts')).historyCommand,
)
const schedule = program.command('schedule').description('recurring backfills, as Temporal Schedules')
define(
  schedule
    .command('create')
    .argument('<view>')
    .description('backfill what is complete by then, at recurring times')
    .option('--cron <text>', 'when: minute hour day month weekday')
    .option('--every <length>', 'when: every 1h, 1d, … counted from 1970')
    .option('--time-zone <name>', 'of --cron; UTC by default')
    .option('--lag <length>', 'how late events arrive: younger ones are not waited for')
    .option(
      '--partitions <n>',
      'how many of the newest partitions; gaps and late data in them are mended',
      wholeNumber('--partitions', 1, 10_000),
    )
    .option('--require-approval', 'each run waits for approval before publishing')
    .option('--with-upstream', 'each run first backfills the views that this one reads')
    .option('--paused', 'create it, but start nothing until it is unpaused in Temporal')
    .option('--id <text>', "the schedule's id; by default the view's name"),
  [
    "hindcast schedule create origin_delays --cron '0 3 * * *' --lag 6h",
    'hindcast schedule create origin_delays --every 1h --partitions 7',
  ],
  async () => (await import('./commands/schedule.ts')).createSchedule,
)
define(
  schedule.command('list').description('the schedules of backfills, when they start next and how the last run went'),
  ['hindcast schedule list'],
  async () => (await import('./commands/schedule.ts')).listSchedules,
)
define(
  schedule.command('delete').argument('<id>').description('delete a schedule; runs that it started go on'),
  ['hindcast schedule delete origin_delays'],
  async () => (await import('./commands/schedule.ts')).deleteSchedule,
)
define(
  program
    .command('gc')
    .description('expire snapshots, drop dead branches, delete what nothing refers to')
    .option('--dry-run', 'say what would go, and do nothing')
    .option('--table <name>', 'namespace.table, more than once if need be; by default all feature tables', gathered)
    .option('--older-than <age>', 'what nothing refers to goes when it is so old; by default as the configuration says')
    .option(
      '--expire-older-than <age>',
      'snapshots expire when they are so old; by default as table and configuration say',
    )
    .option('--compact', 'also rewrite small files of tables that are no feature tables, and manifests')
    .option('--force', 'take an age below a day; only where nothing else writes to the tables'),
  ['hindcast gc --dry-run', 'hindcast gc --older-than 7d', 'hindcast gc --table raw.flights --compact'],
  async () => (await import('./commands/gc.ts')).gcCommand,
)
define(
  program
    .command('doctor')
    .description('check the set-up and say how to mend it')
    .option('--register', 'register the search attributes of runs in the Temporal namespace'),
  ['hindcast doctor', 'hindcast doctor --register'],
  async () => (await import('./commands/doctor.ts')).doctorCommand,
)

function gathered(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

function budgetOptions(command: Command): Command {
  return command
    .option('--max-bytes <n>', 'pause once so many source bytes are read', wholeNumber('--max-bytes', 1, 1e18))
    .option('--max-minutes <n>', 'pause once it has computed for so long', wholeNumber('--max-minutes', 1, 1e6))
}

function rangeOptions(command: Command): Command {
  return command
    .option('--from <time>', 'first feature time; ISO 8601, a date is midnight UTC')
    .option('--to <time>', 'end of the range, exclusive')
    .option('--force', 'compute every partition, also the fresh ones')
    .option('--as-of <time|snapshot>', 'read the source as it was')
}

try {
  await program.parseAsync(argv, { from: 'user' })
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.exitCode = reportError(error, wantsJson)
  } else if (error.exitCode === 0) {
    process.exitCode = exitCodes.done
  } else if (wantsJson) {
    process.exitCode = reportError(new HindcastError('USAGE', error.message.replace(/^error: /, '')), true)
  } else {
    process.exitCode = exitCodes.usage
  }
}
