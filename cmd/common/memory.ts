/**
 * Gives memory back to the system that the process has freed. V8 keeps pages for what comes next and collects old garbage late; the C
 * library keeps what was freed between things that live on. After a burst of writes that is most of the process: 400 MB of which
 * 100 MB are in use. So at a quiet moment everything is collected and returned.
 *
 * It needs a flag of Node's (`node-flags.js`): `--experimental-ffi` for `malloc_trim`, for which Node has no call. Without it, or on a C library
 * that has no such function, that part does not happen.
 */

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { childSignal, repeat, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { busyShares } from './busy-share.ts';
import { heapLimit } from './heap-limit.ts';
import type { ProcessMemory } from './process-memory.ts';
import { pauseShareMax, Surges } from './surges.ts';

/** How often it is looked whether there is something to give back. */
const periodMs = 5_000;

/** Growth since the last time from which on it is worth the pause, which is some 200 ms for 80 MB of live objects. */
const growthBytesMin = 32 * 1024 * 1024;

/** The same for the first time: of what a start has taken, most is garbage, and little of it enough for V8 to look at it again. */
const startBytesMin = 4 * 1024 * 1024;

/**
 * What was in use the last time may be free by now without growth in between: containers that have ended leave their memory with the C
 * library. So a process that was once smaller tries again, and less and less often while that gains less than `gainBytesMin`.
 */
const retryFirstMs = 20_000;
const retryLastMs = 30 * 60_000;
const gainBytesMin = 8 * 1024 * 1024;

/** A process that is busier than this, as a share of the time, has better things to do and will need the memory again. */
const busyMax = 0.25;

/**
 * Below this it is idle, and nobody notices a pause of some tenths of a second. Above, somebody always waits for an answer: then only what the C
 * library can give back is, which takes a few milliseconds, and V8 collects when and as it likes.
 */
const idleMax = 0.05;

/**
 * Even a busy process trims once it has grown by this much since the last time: the values of a busy hour leave holes between those that live
 * on, some 10 MB in ten seconds of 1,000 Deployments a minute, which takes 2 to 6 ms to give back and else never is.
 */
const trimGrowthBytesMin = 8 * 1024 * 1024;

/**
 * From this much on the heap is to be collected sooner, which costs a collection each five seconds instead of each ten under full load, most of
 * it in other threads. Below it there is no need to.
 */
const largeBytesMin = 256 * 1024 * 1024;

/**
 * Returning all pages walks and moves what lives, twice, at some 3 ms per MB; with more in use than this it would hold requests up for too
 * long. What counts is what is in use, not what V8 has reserved: after a burst that is several times as much, and the reason to do this.
 */
const returnBytesMax = 192 * 1024 * 1024;

/** With more than that in use, most of it may still be garbage. To find out takes some 1 ms per live MB; beyond this it is left to V8. */
const collectBytesMax = 768 * 1024 * 1024;

/**
 * Pages of files that were looked at, such as the store's, stay in the process until the system needs memory, and count as its own. From this
 * much growth on they are let go; they are still in the system's cache, so that looking at one again costs a microsecond.
 */
const fileBytesMax = 8 * 1024 * 1024;

/** How often that is looked at: a list of a hundred thousand events reads some hundred MB a second. */
const filesPeriodMs = 50;

/** Files of which pages are let go. */
const mappedFiles = /\/data\.mdb$/;

/** From `madvise(2)`. */
const adviceDontNeed = 4;

/** What it takes to give memory back while something runs. */
export interface ReturningOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Default: that of this process. */
  readonly memory?: ProcessMemory;
}

/** Does `run`; while it runs, freed memory is returned to the system at quiet moments. */
export async function returningMemory(options: ReturningOptions, run: () => Promise<void>): Promise<void> {
  const { controller, dispose } = childSignal(options.signal);
  const memory = options.memory ?? (await ownMemory());
  const { clock } = options;
  const surges = new Surges(clock, memory);
  const returning = [
    returnMemory(clock, memory, controller.signal),
    repeat(clock, { periodMs: () => filesPeriodMs, signal: controller.signal }, () => {
      memory.unmapFiles();
      surges.look();
    }),
  ];
  try {
    await run();
  } finally {
    controller.abort();
    dispose();
    await Promise.all(returning);
  }
}

async function returnMemory(clock: Clock, memory: ProcessMemory, signal: AbortSignal): Promise<void> {
  let kept = memory.residentBytes();
  let least = kept;
  let retryMs = retryFirstMs;
  let retryAt = clock.monotonicMs() + retryMs;
  let notBefore = 0;
  let growthMin = startBytesMin;
  let trimAt = 0;
  let trimmed = kept;
  while (await sleep(clock, periodMs, signal)) {
    const busyShare = memory.busyShare();
    const startMs = clock.monotonicMs();
    const before = memory.residentBytes();
    memory.collectSooner(before >= largeBytesMin);
    if (busyShare > busyMax) {
      if (before - trimmed < trimGrowthBytesMin) continue;
      memory.trim();
      trimmed = memory.residentBytes();
      continue;
    }
    if (startMs < notBefore) continue;
    const hasGrown = before - kept >= growthMin;
    const isRetry = before - least >= growthBytesMin && startMs >= retryAt;
    if (!hasGrown && !isRetry) continue;
    if (busyShare > idleMax) {
      if (startMs < trimAt) continue;
      trimAt = startMs + retryFirstMs;
      memory.trim();
      continue;
    }
    memory.release();
    growthMin = growthBytesMin;
    kept = memory.residentBytes();
    trimmed = kept;
    least = Math.min(least, kept);
    retryMs = before - kept >= gainBytesMin ? retryFirstMs : Math.min(retryMs * 2, retryLastMs);
    const endMs = clock.monotonicMs();
    retryAt = endMs + retryMs;
    notBefore = endMs + (endMs - startMs) / pauseShareMax;
  }
}

async function ownMemory(): Promise<ProcessMemory> {
  const library = await findLibrary();
  let keptFileBytes = 0;
  const busyShare = busyShares({
    loop: (since) => performance.eventLoopUtilization(since),
    processorMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    nowMs: () => performance.now(),
  });
  let collect: typeof globalThis.gc;
  return {
    residentBytes: () => process.memoryUsage.rss(),
    busyShare,
    trim: () => void library?.malloc_trim(0n),
    collectSooner: (isSooner) => heapLimit.tighten(isSooner),
    release() {
      collect ??= findCollector();
      const used = usedBytes();
      if (used > returnBytesMax && used <= collectBytesMax) collect?.({ type: 'major' });
      // This flavour also gives the pages back that V8 would keep for later.
      if (usedBytes() <= returnBytesMax) collect?.({ type: 'major', flavor: 'last-resort' });
      library?.malloc_trim(0n);
    },
    unmapFiles() {
      if (library === undefined) return;
      if (fileBytes() - keptFileBytes < fileBytesMax) return;
      for (const { address, length } of mappings()) library.madvise(address, length, adviceDontNeed);
      keptFileBytes = fileBytes();
    },
  };
}

/** V8's own, which it gives to who asks for it by a flag; as one for Node it would keep compiled code from being used (`node-flags.js`). */
function findCollector(): typeof globalThis.gc {
  if (globalThis.gc !== undefined) return globalThis.gc;
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return collect as typeof globalThis.gc;
}

function usedBytes(): number {
  return process.memoryUsage().heapUsed;
}

/** Bytes of files that are in the process, its program among them. */
function fileBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[2]) * 4_096;
}

/** Where files are in the address space that are only read there. */
function mappings(): { readonly address: bigint; readonly length: bigint }[] {
  return readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .filter((line) => mappedFiles.test(line) && line.includes(' r--s '))
    .map((line) => {
      const [start, end] = line
        .slice(0, line.indexOf(' '))
        .split('-')
        .map((text) => BigInt(`0x${text}`)) as [bigint, bigint];
      return { address: start, length: end - start };
    });
}

interface Library {
  malloc_trim(keptBytes: bigint): number;
  madvise(address: bigint, length: bigint, advice: number): number;
}

interface ForeignFunctions {
  dlopen(
    path: null,
    signatures: Readonly<Record<keyof Library, { arguments: readonly string[]; return: string }>>,
  ): { readonly functions: Library };
}

/** The C library's functions; undefined where Node or the library does not have them. */
async function findLibrary(): Promise<Library | undefined> {
  // Some versions of Node have the module without being asked, and warn of it: then nobody asked them not to either.
  if (!process.execArgv.includes('--experimental-ffi')) return undefined;
  // Its types are not there yet.
  const name = 'node:ffi';
  try {
    const { dlopen } = (await import(name)) as ForeignFunctions;
    const { functions } = dlopen(null, {
      malloc_trim: { arguments: ['uint64'], return: 'int32' },
      madvise: { arguments: ['uint64', 'uint64', 'int32'], return: 'int32' },
    });
    return functions;
  } catch {
    return undefined;
  }
}
