/**
 * Boot images: kernels that are plain memory with a header and begin in supervisor mode, as Linux's `Image`. What of them goes where; refuses with one line what does not fit.
 * Source: Linux, Documentation/riscv/boot-image-header.rst; addresses as QEMU's `virt` board has them.
 */
import { MEMORY_BASE } from '../memory-map.ts';
import { GuestImageError, type KernelImage } from './elf.ts';

/** Bytes of memory, from its start, that are the firmware's: a boot image is loaded behind them, and its device tree says that they are taken. */
export const FIRMWARE_BYTES = 0x1_0000;
/** What an image is aligned to, as its first mapping is by pages of this size. */
const IMAGE_ALIGN = 0x20_0000;
/** The firmware enters the kernel here. */
const KERNEL_OFFSET = 0x20_0000;
const HEADER = 64;
const BIG_ENDIAN = 1n;

function refuse(reason: string): never {
  throw new GuestImageError(`Cannot load the kernel: ${reason}`);
}

/** Whether a file has the header of a boot image of RISC-V: the letters `RISCV`, or those of newer versions. */
export function isBootImage(file: Uint8Array): boolean {
  if (file.length < HEADER) return false;
  const text = Buffer.from(file.buffer, file.byteOffset, HEADER).toString('latin1');
  return text.slice(48, 56) === 'RISCV\0\0\0' && text.slice(56, 60) === 'RSC\x05';
}

/** Reads a boot image for a machine of `memory` bytes. Its size is what its header says, as that has what is zero too. */
export function readBootImage(file: Uint8Array, memory: number): KernelImage {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const offset = view.getBigUint64(8, true);
  const told = view.getBigUint64(16, true);
  if ((view.getBigUint64(24, true) & BIG_ENDIAN) !== 0n) refuse('it is big-endian');
  if (offset !== BigInt(KERNEL_OFFSET))
    refuse(`it wants to be 0x${offset.toString(16)} bytes into memory, and boot images begin at 0x200000 here`);
  const size = told > BigInt(file.length) ? Number(told) : file.length;
  const address = MEMORY_BASE + KERNEL_OFFSET;
  if (KERNEL_OFFSET + size > memory) {
    const needed = Math.ceil((KERNEL_OFFSET + size) / IMAGE_ALIGN) * 2;
    refuse(
      `it takes ${size} bytes from 0x${address.toString(16)} on, and the memory has ${memory}: give it more than ${needed} MiB`,
    );
  }
  return { entry: address, segments: [{ address, bytes: file, size }] };
}
