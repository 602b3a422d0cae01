/**
 * Kernels as ELF files: what of them goes where in memory. Refuses with one line what is no such file or does not fit; checks every offset before it is
 * used. Source: System V ABI, chapters 4 and 5; RISC-V ELF psABI.
 */
import { MEMORY_BASE } from '../memory-map.ts';

/** An image that no machine can start, and why in one line. */
export class GuestImageError extends Error {
  override readonly name = 'GuestImageError';
}

/** What is loaded: bytes at physical addresses, and zeros after them. */
export interface KernelImage {
  readonly entry: number;
  readonly segments: readonly { readonly address: number; readonly bytes: Uint8Array; readonly size: number }[];
}

const MACHINE_RISCV = 243;
const TYPE_EXEC = 2;
const LOAD = 1;
const INTERPRETER = 3;
const HEADER = 64;
const PROGRAM_HEADER = 56;

function refuse(reason: string): never {
  throw new GuestImageError(`Cannot load the kernel: ${reason}`);
}

function checkHeader(file: Uint8Array, view: DataView): void {
  const isElf = file.length >= 4 && view.getUint32(0) === 0x7f45_4c46;
  if (!isElf) refuse('it is no ELF file');
  if (file.length < HEADER) refuse(`its header is cut off at ${file.length} bytes`);
  if (file[4] !== 2) refuse('it is for a 32-bit machine, not RV64');
  if (file[5] !== 1) refuse('it is big-endian');
  const machine = view.getUint16(18, true);
  if (machine !== MACHINE_RISCV) refuse(`it is for machine ${machine} of the ELF list, not RISC-V (${MACHINE_RISCV})`);
  const type = view.getUint16(16, true);
  if (type !== TYPE_EXEC) refuse(`it is no executable for fixed addresses: its ELF type is ${type}`);
}

/** Reads a kernel for a machine of `memory` bytes. */
export function readKernel(file: Uint8Array, memory: number): KernelImage {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  checkHeader(file, view);
  const table = Number(view.getBigUint64(32, true));
  const count = view.getUint16(56, true);
  if (view.getUint16(54, true) !== PROGRAM_HEADER && count > 0) refuse('its program headers have an unknown size');
  if (table + count * PROGRAM_HEADER > file.length) refuse('its program headers lie outside the file');
  const headers = Array.from({ length: count }, (_, index) => table + index * PROGRAM_HEADER);
  if (headers.some((at) => view.getUint32(at, true) === INTERPRETER)) refuse('it is dynamically linked');
  const segments = headers
    .filter((at) => view.getUint32(at, true) === LOAD && view.getBigUint64(at + 40, true) > 0n)
    .map((at) => readSegment(file, view, at, memory));
  if (segments.length === 0) refuse('nothing in it is to be loaded');
  checkApart(segments);
  const entry = Number(view.getBigUint64(24, true));
  const hasEntry = segments.some(({ address, size }) => entry >= address && entry < address + size);
  if (!hasEntry || entry % 2 !== 0) refuse(`its entry 0x${entry.toString(16)} is in none of its segments`);
  return { entry, segments };
}

/** Of a thousand segments at one place each would be copied there, before the guest has run and for nobody's share. */
function checkApart(segments: KernelImage['segments']): void {
  let end = 0;
  for (const { address, size } of segments.toSorted((a, b) => a.address - b.address)) {
    if (address < end) refuse(`two of its segments have the address 0x${address.toString(16)}`);
    end = address + size;
  }
}

function readSegment(file: Uint8Array, view: DataView, at: number, memory: number): KernelImage['segments'][number] {
  const offset = Number(view.getBigUint64(at + 8, true));
  const address = Number(view.getBigUint64(at + 24, true));
  const length = Number(view.getBigUint64(at + 32, true));
  const size = Number(view.getBigUint64(at + 40, true));
  if (offset + length > file.length) refuse('a segment lies outside the file');
  if (length > size) refuse('a segment is longer in the file than in memory');
  if (address < MEMORY_BASE || address + size > MEMORY_BASE + memory) {
    const range = `0x${address.toString(16)} to 0x${(address + size).toString(16)}`;
    refuse(
      `a segment at ${range} does not fit the memory, 0x${MEMORY_BASE.toString(16)} to 0x${(MEMORY_BASE + memory).toString(16)}`,
    );
  }
  return { address, bytes: file.subarray(offset, offset + length), size };
}
