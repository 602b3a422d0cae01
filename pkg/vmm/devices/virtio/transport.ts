/**
 * virtio-mmio, version 2: registers, features, queues and the interrupt of one device, whose kind is its `backend`. What the driver asks for is done
 * `DELAY` ticks later, as a device takes time; the interrupt comes then. A driver that breaks the rules has its device stopped (DEVICE_NEEDS_RESET).
 * Source: VIRTIO 1.1, sections 2.1, 4.2 and 3.1.
 */
import type { GuestMemory } from '../../guest-memory.ts';
import { VIRTIO_BASE, VIRTIO_INTERRUPT, VIRTIO_STRIDE } from '../../memory-map.ts';
import type { Plain, PlainReader } from '../../plain-state.ts';
import type { Device, Lines } from '../device.ts';
import { BROKEN_QUEUE, QUEUE_MAX, Virtqueue } from './queue.ts';

/** Ticks from a notification to what comes of it: 2 µs of the guest's time. */
const DELAY = 20;
const DRIVER_OK = 4;
const NEEDS_RESET = 64;
/** VIRTIO_F_VERSION_1. */
const VERSION_1 = 1;

/** What is particular to a kind of device. */
export interface Backend {
  /** Of the list of kinds: 1 network, 2 block, 3 console, 5 balloon. */
  readonly kind: number;
  readonly queues: number;
  /** Low 32 bits of features offered. */
  readonly features: number;
  readonly config: Uint8Array;
  /** Does what there is to do with the queues; true if the driver is to be interrupted. May throw MISSING_PAGE and BROKEN_QUEUE, and is called again. */
  process(queues: readonly Virtqueue[]): boolean;
  /** The driver writes to the configuration; without this nothing comes of it. */
  storeConfig?(offset: number, size: number, value: number): void;
  reset(): void;
  save(): { readonly [name: string]: Plain };
  restore(state: PlainReader): void;
}

/** What a device knows of its machine. */
export interface VirtioHost {
  readonly memory: GuestMemory;
  readonly lines: Lines;
  readonly clock: { readonly ticks: number };
}

/** A device in one of the slots. */
export class VirtioTransport implements Device {
  readonly base: number;
  readonly size = VIRTIO_STRIDE;
  due = Infinity;
  private readonly host: VirtioHost;
  private readonly backend: Backend | undefined;
  private readonly interrupt: number;
  private readonly queues: readonly Virtqueue[];
  private status = 0;
  private featureWord = 0;
  private driverWord = 0;
  private accepted = 0;
  private selected = 0;
  private isRaised = 0;

  /** A slot without a backend says so to the guest that looks. */
  constructor(slot: number, host: VirtioHost, backend: Backend | undefined) {
    this.base = VIRTIO_BASE + slot * VIRTIO_STRIDE;
    this.interrupt = VIRTIO_INTERRUPT + slot;
    this.host = host;
    this.backend = backend;
    this.queues = Array.from({ length: backend?.queues ?? 0 }, () => new Virtqueue(host.memory));
  }

  /** Whether a driver works with it. */
  get isLive(): boolean {
    return (this.status & (DRIVER_OK | NEEDS_RESET)) === DRIVER_OK;
  }

  /** Has the backend look at its queues soon. */
  wake(): void {
    if (this.isLive) this.due = Math.min(this.due, this.host.clock.ticks + DELAY);
  }

  /** The configuration has changed: the driver is interrupted. */
  configChanged(): void {
    if (this.isLive) this.raise(2);
  }

  process(): void {
    if (!this.isLive || this.backend === undefined) {
      this.due = Infinity;
      return;
    }
    try {
      if (this.backend.process(this.queues)) this.raise(1);
    } catch (error) {
      if (error !== BROKEN_QUEUE) throw error;
      this.status |= NEEDS_RESET;
      this.raise(2);
    }
    this.due = Infinity;
  }

  load(offset: number, size: number): number | undefined {
    if (offset >= 0x100) return this.config(offset - 0x100, size);
    if (size !== 4) return undefined;
    switch (offset) {
      case 0x00:
        return 0x7472_6976;
      case 0x04:
        return 2;
      case 0x08:
        return this.backend?.kind ?? 0;
      case 0x0c:
        return 0x554d_4551;
      case 0x10:
        return this.featureWord === 0 ? (this.backend?.features ?? 0) : this.featureWord === 1 ? VERSION_1 : 0;
      case 0x34:
        return this.queues[this.selected] === undefined ? 0 : QUEUE_MAX;
      case 0x44:
        return this.queues[this.selected]?.isReady === true ? 1 : 0;
      case 0x60:
        return this.isRaised;
      case 0x70:
        return this.status;
      default:
        return 0;
    }
  }

  store(offset: number, size: number, value: number): boolean {
    if (offset >= 0x100) {
      this.backend?.storeConfig?.(offset - 0x100, size, value);
      return true;
    }
    if (size !== 4) return false;
    switch (offset) {
      case 0x14:
        this.featureWord = value;
        break;
      case 0x20:
        if (this.driverWord === 0) this.accepted = value;
        break;
      case 0x24:
        this.driverWord = value;
        break;
      case 0x30:
        this.selected = value;
        break;
      case 0x50:
        this.wake();
        break;
      case 0x64:
        this.lower(value);
        break;
      case 0x70:
        if (value === 0) this.reset();
        else this.status = value | (this.status & NEEDS_RESET);
        break;
      default:
        this.storeQueue(offset, value);
    }
    return true;
  }

  save(): { readonly [name: string]: Plain } {
    const { status, featureWord, driverWord, accepted, selected, isRaised } = this;
    const due = this.due === Infinity ? -1 : this.due;
    const fields = { status, featureWord, driverWord, accepted, selected, isRaised, due };
    return { ...fields, queues: this.queues.map((queue) => queue.save()), backend: this.backend?.save() ?? {} };
  }

  restore(state: PlainReader): void {
    this.status = state.number('status');
    this.featureWord = state.number('featureWord');
    this.driverWord = state.number('driverWord');
    this.accepted = state.number('accepted');
    this.selected = state.number('selected');
    this.isRaised = state.number('isRaised');
    const due = state.number('due');
    this.due = due < 0 ? Infinity : due;
    for (const [index, part] of state.parts('queues').entries()) this.queues[index]?.restore(part);
    this.backend?.restore(state.part('backend'));
  }

  private storeQueue(offset: number, value: number): void {
    const queue = this.queues[this.selected];
    if (queue === undefined) return;
    if (offset === 0x44) queue.isReady = (value & 1) === 1;
    if (offset === 0x38 && value > 0 && value <= QUEUE_MAX && (value & (value - 1)) === 0) queue.size = value;
    if (offset === 0x80) queue.descriptors = withLow(queue.descriptors, value);
    if (offset === 0x84) queue.descriptors = withHigh(queue.descriptors, value);
    if (offset === 0x90) queue.available = withLow(queue.available, value);
    if (offset === 0x94) queue.available = withHigh(queue.available, value);
    if (offset === 0xa0) queue.used = withLow(queue.used, value);
    if (offset === 0xa4) queue.used = withHigh(queue.used, value);
  }

  private config(offset: number, size: number): number {
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + (this.backend?.config[offset + index] ?? 0);
    return value;
  }

  private reset(): void {
    this.status = this.accepted = this.featureWord = this.driverWord = this.selected = 0;
    this.due = Infinity;
    for (const queue of this.queues) queue.reset();
    this.backend?.reset();
    this.lower(3);
  }

  private raise(bit: number): void {
    this.isRaised |= bit;
    this.host.lines.setLine(this.interrupt, true);
  }

  private lower(bits: number): void {
    this.isRaised &= ~bits;
    this.host.lines.setLine(this.interrupt, this.isRaised !== 0);
  }
}

function withLow(address: number, value: number): number {
  return Math.floor(address / 0x1_0000_0000) * 0x1_0000_0000 + value;
}

/** Addresses have 53 bits at most here; more lie outside any memory. */
function withHigh(address: number, value: number): number {
  return (value & 0x1f_ffff) * 0x1_0000_0000 + (address % 0x1_0000_0000);
}
