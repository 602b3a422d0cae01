/** When a node has too little left: thresholds as flags write them, and whether they are met. Pure. Source: kubelet `eviction/helpers.go` `ParseThresholdConfig`. */
import { quantityValue } from '../model/amounts.ts';

/** What is measured of a node. Disks for images and for containers are one here. */
export type EvictionSignal = 'memory.available' | 'nodefs.available' | 'nodefs.inodesFree' | 'pid.available';

const signals: readonly string[] = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'pid.available',
] satisfies readonly EvictionSignal[];

/** What there is of something, and how much in all. */
export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** The last look at a node. What is not there is not known. */
export type Observations = ReadonlyMap<EvictionSignal, Observation>;

/** Less than this is too little. */
export interface EvictionThreshold {
  readonly signal: EvictionSignal;
  /** As it was written, such as `100Mi` or `10%`. */
  readonly text: string;
  /** How long it may be too little; 0 for a hard threshold. */
  readonly graceMs: number;
}

/** The condition of a node for which a signal stands. */
export type PressureKind = 'disk' | 'memory' | 'pid';

/** Source: kubelet `eviction/helpers.go` `signalToNodeCondition`. */
export function pressureOf(signal: EvictionSignal): PressureKind {
  if (signal === 'memory.available') return 'memory';
  return signal === 'pid.available' ? 'pid' : 'disk';
}

/** The resource for which a signal stands, as messages call it. */
export function resourceOf(signal: EvictionSignal): 'ephemeral-storage' | 'inodes' | 'memory' | 'pids' {
  switch (signal) {
    case 'memory.available':
      return 'memory';
    case 'pid.available':
      return 'pids';
    case 'nodefs.available':
      return 'ephemeral-storage';
    case 'nodefs.inodesFree':
      return 'inodes';
  }
}

/** Thresholds of a flag, such as `memory.available<100Mi,nodefs.available<10%`; what is wrong with it as text. `0` and `0%` stand for none. */
export function parseThresholds(flag: string, graceOf: (signal: string) => number | undefined = () => 0) {
  const thresholds: EvictionThreshold[] = [];
  for (const entry of flag.split(',').filter((part) => part !== '')) {
    const [signal = '', text = '', ...more] = entry.split('<');
    if (text === '' || more.length > 0) return `invalid eviction threshold syntax ${entry}, expected <signal><<value>`;
    if (!isSignal(signal)) return `unsupported eviction signal ${signal}`;
    if (thresholds.some((one) => one.signal === signal))
      return `found duplicate eviction threshold for signal ${signal}`;
    const isPercentage = /^\d+(\.\d+)?%$/.test(text);
    if (!isPercentage && !/^\d/.test(text)) return `eviction threshold ${signal} must be positive, not ${text}`;
    if (isPercentage && Number(text.slice(0, -1)) > 100)
      return `eviction percentage threshold ${signal} must be <= 100%: ${text}`;
    const graceMs = graceOf(signal);
    if (graceMs === undefined) return `missing grace period for the eviction signal ${signal}`;
    if (limitOf(text, 100) > 0) thresholds.push({ signal, text, graceMs });
  }
  return thresholds;
}

/** Whether too little is left. What was not observed is enough. */
export function isMet({ signal, text }: EvictionThreshold, observations: Observations): boolean {
  const observed = observations.get(signal);
  return observed !== undefined && observed.available < limitOf(text, observed.capacity);
}

function limitOf(text: string, capacity: number): number {
  return text.endsWith('%') ? (Number(text.slice(0, -1)) / 100) * capacity : quantityValue(text);
}

function isSignal(text: string): text is EvictionSignal {
  return signals.includes(text);
}
