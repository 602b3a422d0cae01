/** Which device answers at a physical address. */
import type { Device } from './device.ts';

/** The devices of a machine by address; counts accesses. */
export class DeviceBus {
  accesses = 0;
  readonly devices: readonly Device[];

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
    return this.devices.find((device) => address >= device.base && address + size <= device.base + device.size);
  }
}
