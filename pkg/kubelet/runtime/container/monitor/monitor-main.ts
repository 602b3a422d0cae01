/** The monitor's process. Started by the runtime of a kubelet with its folder; says on its output once that it listens. */
import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { runMonitor } from './monitor.ts';
import { pidName } from './start-monitor.ts';
import { protectFromMemoryEnd } from './system-calls.ts';

const [folder = ''] = process.argv.slice(2);
const output = 1;

// It ends with the machine or when it is of no more use: a terminal that goes, and one who ends all of a group, mean others.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const) process.on(signal, () => {});
process.umask(0o022);
protectFromMemoryEnd();
await runMonitor({
  clock: new SystemClock(),
  folder,
  onReady: () => {
    writeFileSync(join(folder, pidName), String(process.pid), { mode: 0o600 });
    writeSync(output, 'ready\n');
  },
});
process.exit(0);
