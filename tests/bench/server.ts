/** A server that is measured, and what the system tells of its processes. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** One server. Its processes are known when it is ours. */
export interface Server {
  readonly kubeconfig: string;
  /** None when it is somebody else's. */
  pids(): Promise<readonly number[]>;
  /** Is not halted while others have their turns. Default: it is. */
  readonly goesOn?: boolean;
  /** Ends it, whether it is halted or not, and removes what it left. */
  stop(): Promise<void>;
}

/** Bytes of processes in memory. */
export interface Memory {
  /** Now; and how much of it are pages of files, which the system takes back when it needs them. */
  readonly resident: number;
  readonly files: number;
  /** The most that each of them had at any time, added up. */
  readonly peak: number;
}

/** Of processes that run, all together. */
export function memoryOf(pids: readonly number[]): Memory {
  const all = pids.map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const bytes = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024;
    return { resident: bytes('VmRSS'), files: bytes('RssFile'), peak: bytes('VmHWM') };
  });
  const sum = (of: (one: Memory) => number): number => all.reduce((total, one) => total + of(one), 0);
  return { resident: sum((one) => one.resident), files: sum((one) => one.files), peak: sum((one) => one.peak) };
}

/** Of the system's ticks, in which it tells of CPU time: the same on every Linux. */
const tickMs = 10;

/** CPU time that all threads of processes have taken so far, with that which the system worked for them. Source: proc(5), `stat`. */
export function cpuMsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is a name in brackets that may have blanks; user and system time are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * tickMs;
}

/** Halts processes where they are, or lets them go on; those that have ended are passed over. */
export function halt(pids: readonly number[], isHalted: boolean): void {
  for (const pid of pids) {
    try {
      process.kill(pid, isHalted ? 'SIGSTOP' : 'SIGCONT');
    } catch {
      // It has ended; whoever asks it for something next will say so.
    }
  }
}
