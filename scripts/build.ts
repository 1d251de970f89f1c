// Makes dist/: JavaScript of all that runs in production, and the workflow bundle, so that a worker starts without a bundler.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(1)
const { code } = await bundleWorkflowCode({
  workflowsPath: join(root, 'workflows/index.ts'),
  logger: new DefaultLogger('WARN'),
})
const bundle = join(dist, 'workflow-bundle.js')
writeFileSync(bundle, code)
console.error(`dist/ is made; workflow bundle ${Math.round(code.length / 1024)} kB`)
