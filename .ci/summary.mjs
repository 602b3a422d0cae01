// Adds up the runners' JSON reports and prints the closing line `N passed, N failed, N skipped`.
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const [folder, ...suites] = process.argv.slice(2);
/** The exit code of the suite's runner, as `.ci/run` wrote it down. */
const exitCode = (suite) => Number(readFileSync(join(folder, `${suite}.exit`), 'utf8'));

/** The long story is far above, where the suite ran; here it is named, for whoever sees the end alone. */
const firstLine = (text = '') => text.trim().split('\n', 1)[0].slice(0, 300);

const total = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites) {
  const file = join(folder, `${suite}.json`);
  if (!existsSync(file)) {
    console.log(`${suite}: no report, so it counts as one failure`);
    total.failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const brokenFiles = report.testResults.filter((result) => result.status === 'failed' && result.assertionResults.length === 0);
  for (const result of report.testResults) {
    const where = relative(process.cwd(), result.name);
    if (brokenFiles.includes(result)) console.log(`failed: ${where}: ${firstLine(result.message)}`);
    for (const test of result.assertionResults) {
      if (test.status === 'failed') console.log(`failed: ${where} > ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
    }
  }
  const counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
  // What breaks outside of any test (an unhandled error) shows in the runner's exit code alone.
  if (counts.failed === 0 && exitCode(suite) !== 0) {
    console.log(`${suite}: its runner failed though no test did, so it counts as one failure`);
    counts.failed = 1;
  }
  console.log(`${suite}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  for (const key of Object.keys(total)) total[key] += counts[key];
}
if (total.passed === 0) total.failed += 1;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
