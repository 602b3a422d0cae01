/** Times and amounts as people read them. */
import { signal } from '@preact/signals';

/** The cluster's time, a second at a time, for whatever shows ages. */
export const now = signal(Date.now());
/** What the cluster's time is beside that of this machine, where somebody has said so. */
let saidMs: number | undefined;
setInterval(() => {
  if (saidMs === undefined) now.value = Date.now();
}, 1_000);

/** Says what the cluster's time is now, where it is not the machine's; undefined where it is. */
export function setNow(nowMs: number | undefined): void {
  saidMs = nowMs;
  now.value = nowMs ?? Date.now();
}

/** How long ago, as `kubectl get` says it. */
export function ageText(sinceMs: number, nowMs: number): string {
  if (sinceMs === 0) return '';
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1_000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
}

/** Thousandths of a core. */
export function cpuText(milli: number): string {
  return milli % 1_000 === 0 || milli >= 100_000
    ? `${Math.round(milli / 1_000).toLocaleString('en')} CPU`
    : `${Math.round(milli)}m CPU`;
}

/** Bytes. */
export function memoryText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A share of 1 as a percentage. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** A whole number with its thousands apart. */
export function count(value: number): string {
  return value.toLocaleString('en');
}
