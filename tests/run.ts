/**
 * Runs one suite with vitest: `node tests/run.ts unit|e2e|ha|containers|conformance|long [files or vitest options…]`. Writes a JSON report besides when
 * COXSWAIN_TEST_REPORT_DIR is set, for what adds the suites up.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const [suite = 'unit', ...rest] = process.argv.slice(2);
const reportDir = process.env.COXSWAIN_TEST_REPORT_DIR;
const report =
  reportDir === undefined
    ? []
    : ['--reporter=default', '--reporter=json', `--outputFile.json=${join(reportDir, `${suite}.json`)}`];
const vitest = join(import.meta.dirname, '..', 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', '--project', suite, ...report, ...rest], { stdio: 'inherit' });
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 2)));
