/** What a machine cannot be made of. */
import { GuestImageError } from './boot/elf.ts';
import type { MachineConfig } from './machine-contract.ts';
import { MEMORY_MAX, PAGE_SIZE } from './memory-map.ts';

const MEMORY_MIN = 1 << 20;
const HARTS_MAX = 8;

/** Throws a `GuestImageError` for a configuration that no machine has. */
export function checkConfig(config: MachineConfig): void {
  const { memory, harts, mac, diskSectors } = config;
  if (memory % PAGE_SIZE !== 0 || memory < MEMORY_MIN || memory > MEMORY_MAX) {
    throw new GuestImageError(
      `Cannot make a machine of ${memory} bytes: memory is whole pages of 4,096 bytes, from 1 MiB to 2 GiB`,
    );
  }
  if (!Number.isInteger(harts) || harts < 1 || harts > HARTS_MAX) {
    throw new GuestImageError(`Cannot make a machine of ${harts} harts: it has 1 to ${HARTS_MAX}`);
  }
  if (mac !== undefined && mac.length !== 6)
    throw new GuestImageError(`Cannot use a MAC of ${mac.length} bytes: it has 6`);
  if (diskSectors !== undefined && (!Number.isSafeInteger(diskSectors) || diskSectors < 1)) {
    throw new GuestImageError(`Cannot make a disk of ${diskSectors} sectors`);
  }
}
