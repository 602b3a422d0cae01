/**
 * The process of a node's programs. Started by the runtime with one stream to it (descriptor 3), the mark of its processes and what its programs may
 * use. It takes the least of the processor's time, and is the first that a machine without memory ends.
 */
import { closeSync, openSync, readdirSync, readlinkSync, readSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { SystemClock } from '#pkg/base/clock.ts';
import { residentBytesIn } from './descendants.ts';
import { ownerVariable } from './marks.ts';
import { hasNoNewPrivileges } from './no-new-privileges.ts';
import { killQuietly } from './own-process.ts';
import { type ProgramHostOptions, runProgramHost } from './program-host.ts';
import { streamGoneSignal } from './protocol.ts';

const channelDescriptor = 3;
/** The programs' threads are lower still, so that what ends them gets its turn. */
const niceness = 5;
/** Of 1000. Source: proc(5), `oom_score_adj`. */
const oomScore = 800;

closeInherited();
yieldToOthers();
const foreign = await findForeignFunctions();
await runProgramHost({
  clock: new SystemClock(),
  channel: new Socket({ fd: channelDescriptor, readable: true, writable: true }),
  owner: process.env[ownerVariable] ?? '',
  memoryBytesMax: Number(process.argv[2]),
  ownPid: process.pid,
  kill: killQuietly,
  hasNoNewPrivileges,
  ...foreign,
  residentBytes: residentBytesReader(),
});
// Not an exit, which waits for the threads: one that cannot be ended may be why this ends.
process.kill(process.pid, streamGoneSignal);
// It may have been started to ignore that.
process.kill(process.pid, 'SIGKILL');

/** Reads from a file that is open already: programs may have taken all descriptors. */
function residentBytesReader(): () => number {
  let file: number;
  try {
    file = openSync('/proc/self/status', 'r');
  } catch {
    return () => process.memoryUsage.rss();
  }
  const buffer = Buffer.alloc(4096);
  return () => {
    const length = readSync(file, buffer, 0, buffer.length, 0);
    return residentBytesIn(buffer.toString('latin1', 0, length));
  };
}

/**
 * Closes what the runtime's process had open and did not mean to pass on, such as the files of a store: a library opened them without saying
 * so. Those are files, sockets, and pipes of which this process has one end; Node's own pipes have both.
 */
function closeInherited(): void {
  const targets = new Map<number, string>();
  attempt(() => {
    for (const name of readdirSync('/proc/self/fd').filter((entry) => Number(entry) > channelDescriptor)) {
      attempt(() => targets.set(Number(name), readlinkSync(`/proc/self/fd/${name}`)));
    }
  });
  const ends = [...targets.values()];
  for (const [descriptor, target] of targets) {
    const isHalf = target.startsWith('pipe:') && ends.filter((end) => end === target).length === 1;
    const isFile = target.startsWith('/') && target !== '/dev/null' && !target.startsWith('/proc/');
    if (isHalf || isFile || target.startsWith('socket:')) attempt(() => closeSync(descriptor));
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

interface ForeignFunctions {
  dlopen(
    path: null,
    signatures: Readonly<Record<string, unknown>>,
  ): {
    readonly functions: {
      waitpid(pid: number, status: null, options: number): number;
      malloc_trim(keptBytes: bigint): number;
    };
  };
}

/**
 * What Node has no calls for. `reap` asks how ended processes did, all that there are for -1: Node asks for those alone whose thread lives.
 * `returnFreed` gives memory back that the C library keeps. Both are absent where Node or the library does not have them.
 */
async function findForeignFunctions(): Promise<Pick<ProgramHostOptions, 'reap' | 'returnFreed'>> {
  // Its types are not there yet.
  const name = 'node:ffi';
  try {
    const { dlopen } = (await import(name)) as ForeignFunctions;
    const { functions } = dlopen(null, {
      waitpid: { arguments: ['int32', 'pointer', 'int32'], return: 'int32' },
      malloc_trim: { arguments: ['uint64'], return: 'int32' },
    });
    // WNOHANG: one that lives is not waited for.
    const ask = (pid: number): boolean => functions.waitpid(pid, null, 1) > 0;
    return {
      reap: (pid) => {
        while (ask(pid) && pid === -1);
      },
      returnFreed: () => void functions.malloc_trim(0n),
    };
  } catch {
    return {};
  }
}
