// Makes dist/: JavaScript of all that runs in production, and the workflow bundles, so that a worker starts without a bundler.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleFile, bundleVariants, makeBundle } from '../workers/workflow-bundle.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(1)
for (const variant of bundleVariants) {
  const { code } = await makeBundle(variant, 'WARN')
  writeFileSync(join(dist, bundleFile(variant)), code)
  console.error(`${bundleFile(variant)}: ${Math.round(code.length / 1024)} kB`)
}
console.error('dist/ is made')
