/**
 * Gives memory back to the system that the process has freed. V8 keeps pages for what comes next and collects old garbage late; the C
 * library keeps what was freed between things that live on. After a burst of writes that is most of the process: 400 MB of which
 * 100 MB are in use. So at a quiet moment everything is collected and returned.
 *
 * It needs flags of Node's (`node-flags.ts`): `--expose-gc`, and `--experimental-ffi` for `malloc_trim`, for which Node has no call.
 * Without them, or on a C library that has no such function, that part does not happen.
 */
import { performance } from 'node:perf_hooks';
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';

/** How often it is looked whether there is something to give back. */
const periodMs = 5_000;

/** Growth since the last time from which on it is worth the pause, which is some 200 ms for 80 MB of live objects. */
const growthBytesMin = 32 * 1024 * 1024;

/**
 * What was in use the last time may be free by now without growth in between: containers that have ended leave their memory with the C
 * library. So a process that was once smaller tries again, and less and less often while that gains less than `gainBytesMin`.
 */
const retryFirstMs = 20_000;
const retryLastMs = 30 * 60_000;
const gainBytesMin = 8 * 1024 * 1024;

/** A process that is busier than this, as a share of the time, has better things to do and will need the memory again. */
const busyMax = 0.25;

/** Pauses may take this share of the time: after one of 200 ms there is none for 10 s. */
const pauseShareMax = 0.02;

/**
 * Returning all pages walks and moves what lives, twice, at some 3 ms per MB; with more in use than this it would hold requests up for too
 * long. What counts is what is in use, not what V8 has reserved: after a burst that is several times as much, and the reason to do this.
 */
const returnBytesMax = 192 * 1024 * 1024;

/** With more than that in use, most of it may still be garbage. To find out takes some 1 ms per live MB; beyond this it is left to V8. */
const collectBytesMax = 768 * 1024 * 1024;

/** The memory of a process. */
export interface ProcessMemory {
  residentBytes(): number;
  /** Share of the time since the last call that the process was busy. */
  busyShare(): number;
  /** Gives back what is free. */
  release(): void;
}

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
  const returning = returnMemory(options.clock, memory, controller.signal);
  try {
    await run();
  } finally {
    controller.abort();
    dispose();
    await returning;
  }
}

async function returnMemory(clock: Clock, memory: ProcessMemory, signal: AbortSignal): Promise<void> {
  let kept = memory.residentBytes();
  let least = kept;
  let retryMs = retryFirstMs;
  let retryAt = clock.monotonicMs() + retryMs;
  let notBefore = 0;
  while (await sleep(clock, periodMs, signal)) {
    const isQuiet = memory.busyShare() <= busyMax;
    const startMs = clock.monotonicMs();
    if (!isQuiet || startMs < notBefore) continue;
    const before = memory.residentBytes();
    const hasGrown = before - kept >= growthBytesMin;
    const isRetry = before - least >= growthBytesMin && startMs >= retryAt;
    if (!hasGrown && !isRetry) continue;
    memory.release();
    kept = memory.residentBytes();
    least = Math.min(least, kept);
    retryMs = before - kept >= gainBytesMin ? retryFirstMs : Math.min(retryMs * 2, retryLastMs);
    const endMs = clock.monotonicMs();
    retryAt = endMs + retryMs;
    notBefore = endMs + (endMs - startMs) / pauseShareMax;
  }
}

async function ownMemory(): Promise<ProcessMemory> {
  const trim = await findTrim();
  let before = performance.eventLoopUtilization();
  return {
    residentBytes: () => process.memoryUsage.rss(),
    busyShare() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
    release() {
      const used = usedBytes();
      if (used > returnBytesMax && used <= collectBytesMax) globalThis.gc?.({ type: 'major' });
      // This flavour also gives the pages back that V8 would keep for later.
      if (usedBytes() <= returnBytesMax) globalThis.gc?.({ type: 'major', flavor: 'last-resort' });
      trim?.();
    },
  };
}

function usedBytes(): number {
  return process.memoryUsage().heapUsed;
}

interface ForeignFunctions {
  dlopen(
    path: null,
    signatures: { malloc_trim: { arguments: readonly ['uint64']; return: 'int32' } },
  ): { readonly functions: { malloc_trim(keptBytes: bigint): number } };
}

/** The library's function; undefined where Node or the C library does not have it. */
async function findTrim(): Promise<(() => void) | undefined> {
  // Some versions of Node have the module without being asked, and warn of it: then nobody asked them not to either.
  if (!process.execArgv.includes('--experimental-ffi')) return undefined;
  // Its types are not there yet.
  const name = 'node:ffi';
  try {
    const { dlopen } = (await import(name)) as ForeignFunctions;
    const { functions } = dlopen(null, { malloc_trim: { arguments: ['uint64'], return: 'int32' } });
    return () => void functions.malloc_trim(0n);
  } catch {
    return undefined;
  }
}
