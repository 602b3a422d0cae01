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

/** Growth since the last time from which on it is worth the pause, which is some 100 ms for a heap of 100 MB. */
const growthBytesMin = 32 * 1024 * 1024;

/** A process that is busier than this, as a share of the time, has better things to do and will need the memory again. */
const busyMax = 0.25;

/** Collecting a larger heap than this at once would hold requests up for too long: V8 is left to do it step by step. */
const collectBytesMax = 256 * 1024 * 1024;

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
  while (await sleep(clock, periodMs, signal)) {
    const isQuiet = memory.busyShare() <= busyMax;
    if (!isQuiet || memory.residentBytes() - kept < growthBytesMin) continue;
    memory.release();
    kept = memory.residentBytes();
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
      // This flavour also gives the pages back that V8 would keep for later.
      if (process.memoryUsage().heapTotal <= collectBytesMax) globalThis.gc?.({ type: 'major', flavor: 'last-resort' });
      trim?.();
    },
  };
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
