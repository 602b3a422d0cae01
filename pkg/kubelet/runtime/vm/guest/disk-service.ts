/**
 * Answers what a guest asks of its disk, in the order in which it asks, and no more of it a second than the machine's share: the rest waits, and the guest with it. The host's time counts, as what is shared
 * is the host's. What waits when the machine moves or is saved is asked again where it goes on.
 */
import type { DiskRequest, Machine } from '#pkg/vmm/machine-contract.ts';
import type { GuestDisk } from './guest-disk.ts';
import { Share } from './share.ts';

const sectorBytes = 512;
/** A disk that was not used for a while may be used so long at once. */
const burstSeconds = 0.1;

/** Most a second; absent: no limit. */
export interface DiskLimits {
  readonly bytesPerSecond?: number;
  readonly requestsPerSecond?: number;
}

/** What was asked of a disk, since the machine was started here. */
export interface DiskCounts {
  diskReadBytes: number;
  diskWrittenBytes: number;
  diskRequests: number;
  /** Requests that had to wait for the machine's share. */
  diskRequestsHeld: number;
}

/** What asks. */
type AskingMachine = Pick<Machine, 'finishDiskRequest' | 'takeDiskRequests'>;

/** One machine's. */
export class DiskService {
  readonly counts: DiskCounts = { diskReadBytes: 0, diskWrittenBytes: 0, diskRequests: 0, diskRequestsHeld: 0 };
  readonly #bytes: Share | undefined;
  readonly #requests: Share | undefined;
  #disk: GuestDisk | undefined;
  #waiting: DiskRequest[] = [];
  #isHeld = false;

  constructor({ bytesPerSecond, requestsPerSecond }: DiskLimits = {}) {
    this.#bytes = shareOf(bytesPerSecond);
    this.#requests = shareOf(requestsPerSecond);
  }

  /** The disk of the machine that runs from now on, if it has one: what waited was asked by another. */
  use(disk: GuestDisk | undefined): void {
    this.#disk = disk;
    this.#waiting = [];
    this.#isHeld = false;
  }

  /** Takes what the machine asks, and answers what its share has room for; true where something was answered. */
  serve(machine: AskingMachine, nowMs: number): boolean {
    this.#waiting.push(...machine.takeDiskRequests());
    let served = 0;
    for (const request of this.#waiting) {
      if (this.#waitMs(nowMs) > 0) {
        if (!this.#isHeld) this.counts.diskRequestsHeld++;
        this.#isHeld = true;
        break;
      }
      this.#isHeld = false;
      this.#answer(machine, request);
      served++;
    }
    if (served > 0) this.#waiting = this.#waiting.slice(served);
    return served > 0;
  }

  /** When what waits may be answered. */
  dueMs(nowMs: number): number | undefined {
    return this.#waiting.length === 0 ? undefined : nowMs + this.#waitMs(nowMs);
  }

  #waitMs(nowMs: number): number {
    return Math.max(this.#bytes?.waitMs(nowMs) ?? 0, this.#requests?.waitMs(nowMs) ?? 0);
  }

  #answer(machine: AskingMachine, { id, kind, sector, length, data }: DiskRequest): void {
    const { counts } = this;
    const disk = this.#disk;
    const at = sector * sectorBytes;
    const ok = disk !== undefined && at + length <= disk.bytes.length;
    if (ok && data !== undefined) disk.put(at, data);
    const read = ok && kind === 'read' ? { data: disk.bytes.slice(at, at + length) } : {};
    machine.finishDiskRequest(id, { ok, ...read });
    this.#requests?.take(1);
    this.#bytes?.take(kind === 'flush' ? 0 : length);
    counts.diskRequests++;
    if (!ok) return;
    if (kind === 'read') counts.diskReadBytes += length;
    if (kind === 'write') counts.diskWrittenBytes += length;
  }
}

function shareOf(perSecond: number | undefined): Share | undefined {
  return perSecond === undefined ? undefined : new Share({ perSecond, burst: Math.max(1, perSecond * burstSeconds) });
}
