import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { installed } from '../installed.ts'
import type { Command } from './line-process.ts'

const run = promisify(execFile)
const sources = fileURLToPath(new URL('jvm', import.meta.url))
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

/** Packages of the JDK that Spark reaches into. */
const opened = [
  'java.base/java.lang',
  'java.base/java.lang.invoke',
  'java.base/java.lang.reflect',
  'java.base/java.io',
  'java.base/java.net',
  'java.base/java.nio',
  'java.base/java.util',
  'java.base/java.util.concurrent',
  'java.base/java.util.concurrent.atomic',
  'java.base/sun.nio.ch',
  'java.base/sun.nio.cs',
  'java.base/sun.security.action',
  'java.base/sun.util.calendar',
]

/**
 * Spark and Iceberg's Java library from Maven Central, pinned, with the driver compiled against them. Needs a JDK of 17 or newer and
 * Maven. What the JVM itself leaves behind goes to the scratch folder.
 */
export async function jvmCommand(scratchDir: string): Promise<Command> {
  const pom = join(sources, 'pom.xml')
  const pomBytes = await readFile(pom)
  const jars = await installed('jvm-jars', [pomBytes], async (unfinished) => {
    const options = { maxBuffer: 1 << 26 }
    await run('mvn', ['-B', '-q', '-f', pom, copyDependencies, `-DoutputDirectory=${unfinished}`], options)
  })
  const names = (await readdir(sources)).filter((name) => name.endsWith('.java')).sort()
  const files = names.map((name) => join(sources, name))
  const texts = await Promise.all(files.map((file) => readFile(file)))
  const classes = await installed('jvm-classes', [pomBytes, ...texts], async (unfinished) => {
    await run('javac', ['-nowarn', '-d', unfinished, '-cp', join(jars, '*'), ...files])
  })
  return {
    file: 'java',
    args: [
      // What the second compiler would gain, short runs on few cores never get back.
      '-XX:TieredStopAtLevel=1',
      // The start costs a third less where jars of known hash are not verified class by class.
      '-XX:+UnlockDiagnosticVMOptions',
      '-XX:-BytecodeVerificationRemote',
      '-XX:+UseSerialGC',
      '-Xmx1500m',
      `-Djava.io.tmpdir=${scratchDir}`,
      ...opened.map((name) => `--add-opens=${name}=ALL-UNNAMED`),
      '-Dio.netty.tryReflectionSetAccessible=true',
      '-Djava.net.preferIPv4Stack=true',
      `-Dlog4j2.configurationFile=${join(sources, 'log4j2.properties')}`,
      '-cp',
      [classes, join(jars, '*')].join(':'),
      'counterparts.Driver',
    ],
  }
}
