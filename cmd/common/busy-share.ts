/** How busy a process is: its own thread, or all that it has together. A kubelet whose own thread has nothing to do may have machines that serve in others, and who asks them waits for what it does meanwhile. */
import type { EventLoopUtilization } from 'node:perf_hooks';

/** Where the readings come from. */
export interface BusyReadings {
  /** Of this thread, since the start or since an earlier reading. */
  loop(since?: EventLoopUtilization): EventLoopUtilization;
  /** Processor time of all threads since the start, in ms. */
  processorMs(): number;
  nowMs(): number;
}

/** Makes a function that says for which share of the time since it was called before something was busy; several threads may make more than 1 of it. */
export function busyShares({ loop, processorMs, nowMs }: BusyReadings): () => number {
  let before = { loop: loop(), processorMs: processorMs(), nowMs: nowMs() };
  return () => {
    const now = { loop: loop(), processorMs: processorMs(), nowMs: nowMs() };
    const passedMs = now.nowMs - before.nowMs;
    const share = passedMs <= 0 ? 0 : (now.processorMs - before.processorMs) / passedMs;
    const { utilization } = loop(before.loop);
    before = now;
    return Math.max(utilization, share);
  };
}
