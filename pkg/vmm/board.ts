/**
 * The devices of a machine, put together as on QEMU's `virt` board: disk, network, console and balloon in the first four slots of virtio. Carries what goes between host
 * and guest; when things happen is the machine's.
 */
import { Console } from './console.ts';
import { Clint, type GuestClock } from './devices/clint.ts';
import { DeviceBus } from './devices/device-bus.ts';
import { Finisher } from './devices/finisher.ts';
import { Plic } from './devices/plic.ts';
import { Uart } from './devices/uart.ts';
import { VirtioBalloon } from './devices/virtio/balloon.ts';
import { VirtioBlock } from './devices/virtio/block.ts';
import { VirtioConsole } from './devices/virtio/console.ts';
import { VirtioNetwork } from './devices/virtio/network.ts';
import { VirtioTransport } from './devices/virtio/transport.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { HartState } from './hart/hart-state.ts';
import type { DiskRequest, MachineConfig } from './machine-contract.ts';
import { VIRTIO_SLOTS } from './memory-map.ts';

const DISK_SLOT = 0;
const NETWORK_SLOT = 1;
const CONSOLE_SLOT = 2;
const BALLOON_SLOT = 3;

/** The devices. */
export class Board {
  readonly bus: DeviceBus;
  readonly clint: Clint;
  readonly finisher = new Finisher();
  readonly slots: readonly VirtioTransport[];
  readonly console = new Console();
  private readonly uart: Uart;
  private readonly disk: VirtioBlock | undefined;
  private readonly network: VirtioNetwork | undefined;
  private readonly virtioConsole: VirtioConsole;
  readonly balloon: VirtioBalloon;

  constructor(config: MachineConfig, memory: GuestMemory, harts: readonly HartState[], clock: GuestClock) {
    const lines = new Plic(harts);
    this.clint = new Clint(harts, clock);
    this.uart = new Uart(lines, this.console.write);
    this.disk = config.diskSectors === undefined ? undefined : new VirtioBlock(config.diskSectors);
    this.network = config.mac === undefined ? undefined : new VirtioNetwork(config.mac);
    this.virtioConsole = new VirtioConsole((byte) => {
      this.uart.isSpoken = false;
      this.console.write(byte);
    });
    this.balloon = new VirtioBalloon(memory);
    const backends = [this.disk, this.network, this.virtioConsole, this.balloon];
    const host = { memory, lines, clock };
    this.slots = Array.from({ length: VIRTIO_SLOTS }, (_, slot) => new VirtioTransport(slot, host, backends[slot]));
    this.bus = new DeviceBus([this.uart, this.clint, lines, ...this.slots, this.finisher]);
  }

  /** Whether the guest has something that the host should take soon. */
  get wantsHost(): boolean {
    return this.disk?.hasRequests === true || this.network?.hasFrames === true || this.console.wantsHost;
  }

  /** What is typed goes to the console that the guest wrote to last: Linux has a driver for both and reads but one. */
  consoleInput(bytes: Uint8Array): number {
    const slot = this.slots[CONSOLE_SLOT];
    if (slot?.isLive !== true || this.uart.isSpoken) return this.uart.give(bytes);
    const taken = this.virtioConsole.give(bytes);
    slot.wake();
    return taken;
  }

  /** So many pages are wanted of the guest. */
  inflateTo(pages: number): void {
    if (pages === this.balloon.wanted) return;
    this.balloon.wanted = pages;
    this.slots[BALLOON_SLOT]?.configChanged();
  }

  deliverFrame(frame: Uint8Array): boolean {
    const slot = this.slots[NETWORK_SLOT];
    if (this.network === undefined || slot?.isLive !== true) return false;
    const isTaken = this.network.deliver(frame);
    slot.wake();
    return isTaken;
  }

  takeFrames(): readonly Uint8Array[] {
    return this.network?.takeFrames() ?? [];
  }

  takeDiskRequests(): readonly DiskRequest[] {
    return this.disk?.takeRequests() ?? [];
  }

  finishDiskRequest(id: number, answer: { readonly ok: boolean; readonly data?: Uint8Array }): void {
    this.disk?.answer(id, answer);
    this.slots[DISK_SLOT]?.wake();
  }
}
