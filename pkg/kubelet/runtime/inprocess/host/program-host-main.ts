/**
 * The process of a node's programs. Started by the runtime with one stream to it (descriptor 3), the mark of its processes and what its programs may
 * use. It takes the least of the processor's time, and is the first that a machine without memory ends.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { SystemClock } from '#pkg/base/clock.ts';
import { ownerVariable } from './marks.ts';
import { runProgramHost } from './program-host.ts';

const channelDescriptor = 3;
/** The programs' threads are lower still, so that what ends them gets its turn. */
const niceness = 5;
/** Of 1000. Source: proc(5), `oom_score_adj`. */
const oomScore = 800;

yieldToOthers();
await runProgramHost({
  clock: new SystemClock(),
  channel: new Socket({ fd: channelDescriptor, readable: true, writable: true }),
  owner: process.env[ownerVariable] ?? '',
  memoryBytesMax: Number(process.argv[2]),
  ownPid: process.pid,
  kill: killQuietly,
  residentBytes: () => process.memoryUsage.rss(),
});
process.exit(0);

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Only Linux has these. A system that refuses one is as it was. */
function yieldToOthers(): void {
  attempt(() => writeFileSync('/proc/self/oom_score_adj', String(oomScore)));
  // There a thread has a priority of its own, and new ones have that of the thread that starts them.
  attempt(() => {
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), niceness);
  });
}

function attempt(change: () => void): void {
  try {
    change();
  } catch {
    // As it was.
  }
}
