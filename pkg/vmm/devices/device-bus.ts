/** Which device answers at a physical address. */
import type { Device } from './device.ts';

/** The devices of a machine by address; counts accesses. */
export class DeviceBus {
  accesses = 0;
  readonly devices: readonly Device[];
  /** The one that was reached last is mostly the next. */
  private last: Device | undefined;

  constructor(devices: readonly Device[]) {
    this.devices = devices;
  }

  load(address: number, size: number): number | undefined {
    this.accesses++;
    const device = this.at(address, size);
    return device?.load(address - device.base, size);
  }

  store(address: number, size: number, value: number): boolean {
    this.accesses++;
    const device = this.at(address, size);
    return device?.store(address - device.base, size, value) ?? false;
  }

  private at(address: number, size: number): Device | undefined {
    if (this.last === undefined || !holds(this.last, address, size))
      this.last = this.devices.find((device) => holds(device, address, size));
    return this.last;
  }
}

function holds({ base, size: bytes }: Device, address: number, size: number): boolean {
  return address >= base && address + size <= base + bytes;
}
