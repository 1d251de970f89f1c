// Adds up what vitest's JSON reporter and scripts/verify.ts wrote, and prints it as one line: `N passed, N failed`.
//   node scripts/ci-count.mjs VITEST_JSON VERIFY_JSON
// A report that is missing or broken counts as a failure: a run that died halfway has not passed.
import { readFileSync } from 'node:fs'

/** @param {string | undefined} file */
function read(file) {
  try {
    return JSON.parse(readFileSync(file ?? '', 'utf8'))
  } catch {
    return null
  }
}

/** @param {any} report */
function countTests(report) {
  if (report === null) return { passed: 0, failed: 1 }
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  const failed = report.numFailedTests + broken.length
  // An error outside any test, printing for example, fails the run and no test.
  return { passed: report.numPassedTests, failed: failed === 0 && !report.success ? 1 : failed }
}

/** @param {any} report */
const countSteps = (report) =>
  report === null ? { passed: 0, failed: 1 } : { passed: report.passed.length, failed: report.failed.length }

const [vitestJson, verifyJson] = process.argv.slice(2)
const tests = countTests(read(vitestJson))
const steps = countSteps(read(verifyJson))
const failed = tests.failed + steps.failed
console.log(`${tests.passed + steps.passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
