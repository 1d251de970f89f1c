// Makes a fresh clone runnable, then runs a command on the project's own Node:
//   node scripts/bootstrap.mjs [COMMAND [ARGUMENT…]]
// COMMAND is a program of node_modules/.bin or of PATH, or a script that ends in .ts. Plain JavaScript for Node 20 without
// packages: it runs before any is there.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join, resolve } from 'node:path'

const requiredMajor = 24
const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')
const bin = join(root, 'node_modules', '.bin')
const stamp = join(root, 'node_modules', '.hindcast-lock-hash')
const projectNode = join(bin, 'node')

/** @param {string} message */
const say = (message) => process.stderr.write(`${message}\n`)

/** @param {string} message @param {string} hint */
const fail = (message, hint) => {
  say(`error: ${message}\n${hint}`)
  process.exit(1)
}

const lockHash = () =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')

const installed = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()

function install() {
  say(existsSync(stamp) ? 'The packages changed: installing them again (npm ci)' : 'Installing packages (npm ci)')
  const started = Date.now()
  // Taken away first: an install that is cut off must not pass for a whole one.
  rmSync(stamp, { force: true })
  // Its hints to upgrade this machine's Node would mislead: the packages run on the Node that is being installed.
  const result = spawnSync('npm', ['ci', '--no-fund', '--no-audit', '--no-update-notifier', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr],
  })
  if (result.error !== undefined)
    fail(`npm cannot be run (${result.error.message})`, 'Install Node 20 or newer with npm.')
  if (result.status !== 0) fail('npm ci failed', 'Its message is above. Mend that, then run the same command again.')
  say(`Packages installed in ${Math.round((Date.now() - started) / 1000)} s`)
}

/** The package `node` brings the binary in its preinstall script; an npm that holds install scripts back leaves none. */
function checkNode() {
  const version = spawnSync(projectNode, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
  if (version.startsWith(`v${requiredMajor}.`)) return
  fail(
    version === ''
      ? `node_modules has no Node ${requiredMajor}: the install script of the npm package "node" did not run`
      : `node_modules has Node ${version}, and ${requiredMajor} is needed`,
    'If npm is set to ignore scripts (npm config get ignore-scripts), allow them and run:\n' +
      '  rm -rf node_modules && npm ci --ignore-scripts=false',
  )
}

/** So that `npx hindcast` works in the clone, where npm links only the programs of other packages. */
function linkCommand() {
  const link = join(bin, 'hindcast')
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) return
  try {
    symlinkSync(join('..', '..', 'bin', 'hindcast'), link)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
}

/** @param {string[]} command */
function run([name, ...rest]) {
  const script = name.endsWith('.ts')
  const program = script ? projectNode : existsSync(join(bin, name)) ? join(bin, name) : name
  const args = script ? ['--disable-warning=ExperimentalWarning', name, ...rest] : rest
  // A terminal's Ctrl-C reaches the command by itself, a signal sent to this process alone does not; twice is harmless. The listeners
  // come first: a signal in between would end this process and leave the command running.
  let child
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child = spawn(program, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
  })
  child.on('error', (error) => fail(`${name} cannot be run: ${error.message}`, 'Run npm ci and try again.'))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

if (!installed()) {
  install()
  checkNode()
  mkdirSync(bin, { recursive: true })
  writeFileSync(stamp, lockHash())
} else {
  checkNode()
}
linkCommand()
const command = process.argv.slice(2)
if (command.length > 0) run(command)
