/**
 * Ends containers that use more memory than they may, whatever kind it is. V8 keeps a thread's heap within its limit by itself; what it can be
 * asked for besides is buffers. The rest (memory of WebAssembly, shared buffers, further threads, messages that wait) no call tells of,
 * and the process has one number for all: its growth beyond what is known is put down to those whose threads touched new pages
 * meanwhile. Upstream's counterpart is the memory cgroup of a container.
 *
 * Memory counts once it is used, buffers once they are made. While the process does not grow, nothing is asked and a look costs microseconds.
 */
import { readdir, readFile } from 'node:fs/promises';
import { sleep } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { ContainerStats } from '../../runtime.ts';
import { findProcesses, residentBytesOf } from './descendants.ts';
import { type HostedContainer, threadNameOf } from './hosted-container.ts';

/** Between two looks: what a program can fill in this time is what it can go beyond its limit. */
const periodMs = 50;
/** The process has to grow or shrink by this for containers to be asked. */
const changeBytesMin = 4 * 2 ** 20;
/** A program that does not answer within this time, as it waits for the system, counts as it last did. */
const answerMs = 250;
/** Processes that programs have started are looked at this often. */
const childrenMs = 1_000;
/** What a thread needs that is no heap: it is not put down to the program. */
const threadBytes = 24 * 2 ** 20;
/** The C library keeps what was freed, after the start of threads above all: it is returned when the process has grown by so much and rested. */
const returnBytesMin = 16 * 2 ** 20;
const restMs = 2_000;
/** Garbage counts until it is collected: a container beyond its limit by less than this part is looked at once more first. */
const leniency = 1.25;

/** What is measured, and what there may be of it. */
export interface MemoryWatchOptions {
  readonly clock: Clock;
  /** What the process and all that its programs have started may use. */
  readonly bytesMax: number;
  residentBytes(): number;
  /** Returns freed memory to the system. Absent where that cannot be done. */
  returnFreed?(): void;
  containers(): readonly HostedContainer[];
  /** The process is too large and no program is to blame: end it. */
  end(message: string): void;
}

/** What is known of one container's memory. */
interface Usage {
  heapBytes: number;
  bufferBytes: number;
  /** Put down to it, as nothing else explains it. */
  hiddenBytes: number;
  childrenBytes: number;
  /** Pages that its threads have touched for the first time, so far. */
  faults: number;
  /** It was beyond its limit at the last look. */
  wasOver: boolean;
}

/** The watch of one process. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #usages = new Map<HostedContainer, Usage>();
  #timer: Timer | undefined;
  #isStopped = false;
  #lastBytes: number;
  #lastUnexplained: number;
  #childrenAtMs = 0;
  #mustLook = false;
  #changedAtMs = 0;
  #leastBytes: number;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#lastBytes = options.residentBytes();
    this.#lastUnexplained = this.#lastBytes;
    this.#leastBytes = this.#lastBytes;
  }

  started(container: HostedContainer): void {
    const nothing = { heapBytes: 0, bufferBytes: 0, hiddenBytes: 0, childrenBytes: 0, faults: 0, wasOver: false };
    this.#usages.set(container, nothing);
    if (this.#timer === undefined) this.#schedule();
  }

  ended(container: HostedContainer): void {
    this.#usages.delete(container);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async statsOf(container: HostedContainer): Promise<ContainerStats> {
    const usage = this.#usages.get(container);
    if (usage !== undefined) await this.#ask(container, usage);
    return {
      memoryBytes: usage === undefined ? 0 : usage.heapBytes + beyondHeap(usage),
      cpuNanoseconds: await cpuNanosecondsOf(container.threadId),
    };
  }

  #schedule(): void {
    if (this.#isStopped || this.#usages.size === 0) {
      this.#timer = undefined;
      return;
    }
    this.#timer = this.#options.clock.setTimeout(() => void this.#look().finally(() => this.#schedule()), periodMs);
  }

  async #look(): Promise<void> {
    const { clock, residentBytes } = this.#options;
    const hasChildren = [...this.#usages.keys()].some((container) => container.hasChildren);
    const looksAtChildren = hasChildren && clock.monotonicMs() - this.#childrenAtMs >= childrenMs;
    if (looksAtChildren) await this.#measureChildren();
    const hasChanged = Math.abs(residentBytes() - this.#lastBytes) >= changeBytesMin;
    if (hasChanged) this.#changedAtMs = clock.monotonicMs();
    else this.#returnFreed();
    if (!hasChanged && !looksAtChildren && !this.#mustLook) return;
    await Promise.all([...this.#usages].map(([container, usage]) => this.#ask(container, usage)));
    // Right after each other, so that both are of the same time.
    const touched = await this.#touchedPages();
    this.#lastBytes = residentBytes();
    this.#attribute(touched);
    this.#judge();
  }

  #returnFreed(): void {
    const { clock, returnFreed, residentBytes } = this.#options;
    const hasRested = clock.monotonicMs() - this.#changedAtMs >= restMs;
    if (!hasRested || residentBytes() - this.#leastBytes < returnBytesMin) return;
    returnFreed?.();
    this.#leastBytes = residentBytes();
  }

  /** Heap and buffers of a container. */
  async #ask({ worker }: HostedContainer, usage: Usage): Promise<void> {
    const asked = worker.getHeapStatistics().then(
      (heap) => {
        usage.heapBytes = heap.used_heap_size;
        usage.bufferBytes = heap.external_memory + heap.malloced_memory;
      },
      // It has ended.
      () => {},
    );
    const waited = new AbortController();
    await Promise.race([asked, sleep(this.#options.clock, answerMs, waited.signal)]);
    waited.abort();
  }

  /** Pages that each container's threads have touched since the last look. */
  async #touchedPages(): Promise<ReadonlyMap<Usage, number>> {
    const byThread = new Map<number, Usage>();
    const byName = new Map<string, Usage>();
    for (const [container, usage] of this.#usages) {
      byThread.set(container.threadId, usage);
      byName.set(threadNameOf(container.id), usage);
    }
    const faults = new Map<Usage, number>();
    for (const thread of await readdir('/proc/self/task').catch(() => [])) {
      const stat = await readFile(`/proc/self/task/${thread}/stat`, 'latin1').catch(() => '');
      const end = stat.lastIndexOf(')');
      const usage = byThread.get(Number(thread)) ?? byName.get(stat.slice(stat.indexOf('(') + 1, end));
      if (usage === undefined) continue;
      // Minor faults: the tenth field. Source: proc(5).
      const count = Number(stat.slice(end + 2).split(' ')[7]);
      faults.set(usage, (faults.get(usage) ?? 0) + count);
    }
    const touched = new Map<Usage, number>();
    for (const [usage, count] of faults) {
      touched.set(usage, Math.max(0, count - usage.faults));
      usage.faults = count;
    }
    return touched;
  }

  /** Puts growth that nothing explains down to those who touched pages meanwhile; shares what went away among all. */
  #attribute(touched: ReadonlyMap<Usage, number>): void {
    let explained = 0;
    for (const { heapBytes, bufferBytes } of this.#usages.values()) explained += heapBytes + bufferBytes;
    const unexplained = Math.max(0, this.#lastBytes - explained);
    const before = this.#lastUnexplained;
    this.#lastUnexplained = unexplained;
    const pages = [...touched.values()].reduce((sum, count) => sum + count, 0);
    for (const usage of this.#usages.values()) {
      if (unexplained < before) usage.hiddenBytes *= unexplained / before;
      else if (pages > 0) usage.hiddenBytes += ((unexplained - before) * (touched.get(usage) ?? 0)) / pages;
    }
  }

  #judge(): void {
    this.#mustLook = false;
    let total = this.#lastBytes;
    for (const [container, usage] of this.#usages) {
      total += usage.childrenBytes;
      const usedBytes = usage.heapBytes + beyondHeap(usage);
      const limit = container.memoryBytesMax;
      // The heap alone is V8's to judge, which knows what of it lives.
      const isOver = beyondHeap(usage) > 0 && usedBytes > limit;
      if (isOver && (usage.wasOver || usedBytes > limit * leniency))
        container.killForMemory(overLimit(usedBytes, limit));
      usage.wasOver = isOver;
      this.#mustLook ||= isOver;
    }
    if (total > this.#options.bytesMax) this.#shrink(total);
  }

  /** Programs within their limits are too much together: the largest goes. */
  #shrink(total: number): void {
    const { bytesMax, end } = this.#options;
    this.#mustLook = true;
    const used = (usage: Usage): number => usage.heapBytes + beyondHeap(usage);
    const [largest] = [...this.#usages]
      .filter(([{ isOutOfMemory }]) => !isOutOfMemory)
      .sort(([, a], [, b]) => used(b) - used(a));
    const message = `the programs of this node used ${mebibytes(total)} together: ${mebibytes(bytesMax)} are allowed`;
    if (largest === undefined) end(`was ended as ${message}`);
    else largest[0].killForMemory(message);
  }

  async #measureChildren(): Promise<void> {
    const byMark = new Map([...this.#usages].map(([container, usage]) => [container.marker, usage]));
    const bytes = new Map<Usage, number>();
    const isMarked = ({ container }: { readonly container: string | undefined }): boolean =>
      container !== undefined && byMark.has(container);
    for (const { pid, container } of await findProcesses(isMarked)) {
      const usage = byMark.get(container ?? '');
      if (usage !== undefined) bytes.set(usage, (bytes.get(usage) ?? 0) + (await residentBytesOf(pid)));
    }
    for (const usage of this.#usages.values()) usage.childrenBytes = bytes.get(usage) ?? 0;
    this.#childrenAtMs = this.#options.clock.monotonicMs();
  }
}

/** What a container uses besides its heap. */
function beyondHeap({ bufferBytes, hiddenBytes, childrenBytes }: Usage): number {
  // Shares of what all have hidden are no whole bytes.
  return bufferBytes + Math.max(0, Math.round(hiddenBytes) - threadBytes) + childrenBytes;
}

function overLimit(usedBytes: number, limit: number): string {
  return `it used ${mebibytes(usedBytes)} of memory: its limit is ${mebibytes(limit)}`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

/** Processor time of a thread of this process. Source: Linux `Documentation/scheduler/sched-stats`, `/proc/<pid>/schedstat`. */
async function cpuNanosecondsOf(threadId: number): Promise<number> {
  const text = await readFile(`/proc/self/task/${threadId}/schedstat`, 'latin1').catch(() => '0');
  return Number(text.split(' ')[0]) || 0;
}
