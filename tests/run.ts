/**
 * Runs one suite with vitest: `node tests/run.ts unit|e2e|ha|containers|conformance|network|vm|course|long [files or vitest options…]`. Writes a JSON report besides when
 * COXSWAIN_TEST_REPORT_DIR is set, for what adds the suites up. The suite `network` has a network namespace of its own, which takes root.
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
const command = [process.execPath, vitest, 'run', '--project', suite, ...report, ...rest];
/** Namespaces by name are the suite's own too, and gone with it. */
const ownNetwork = ['unshare', '--net', '--mount', '--', 'sh', '-c'];
const ownNames = 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec "$@"';
const [program = '', ...args] = suite === 'network' ? [...ownNetwork, ownNames, 'sh', ...command] : command;
const child = spawn(program, args, { stdio: 'inherit' });
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 2)));
