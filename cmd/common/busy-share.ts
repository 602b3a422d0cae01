/** How busy a process is: its own thread, or all that it has together where others of them do much. A kubelet whose own thread has nothing to do may have machines that serve in others, and who asks them waits for what it does meanwhile. */
import type { EventLoopUtilization } from 'node:perf_hooks';

/** Threads that collect garbage, or wait for a disk, for a loop that is idle take less than this of a processor. */
const besideMin = 0.25;

/** Where the readings come from. */
export interface BusyReadings {
  /** Of this thread, since the start or since an earlier reading. */
  loop(since?: EventLoopUtilization): EventLoopUtilization;
  /** Processor time of all threads since the start, in ms. */
  processorMs(): number;
  nowMs(): number;
}

/** Makes a function that says for which share of the time since it was called before it was busy; several threads may make more than 1 of it. */
export function busyShares({ loop, processorMs, nowMs }: BusyReadings): () => number {
  let before = { loop: loop(), processorMs: processorMs(), nowMs: nowMs() };
  return () => {
    const now = { loop: loop(), processorMs: processorMs(), nowMs: nowMs() };
    const passedMs = now.nowMs - before.nowMs;
    const share = passedMs <= 0 ? 0 : (now.processorMs - before.processorMs) / passedMs;
    const { utilization } = loop(before.loop);
    before = now;
    return share - utilization > besideMin ? share : utilization;
  };
}
