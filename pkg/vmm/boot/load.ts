/**
 * What a machine's memory holds before its first instruction: the kernel, the firmware that a boot image begins on, the initial file system, the device tree. Pure. Invariant: the parts are whole, inside the
 * memory, and do not overlap; what cannot be laid out so is refused with one line.
 *
 * An ELF file begins in machine mode at its entry. A boot image begins in supervisor mode: its firmware lies at the start of memory, is entered on all harts, and starts it on the first. The initial file
 * system and the tree are at the end of memory, in that order, as boot loaders put them where kernels do not grow.
 */
import type { MachineConfig } from '../machine-contract.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { FIRMWARE_BYTES, isBootImage, readBootImage } from './boot-image.ts';
import { deviceTree } from './device-tree.ts';
import { GuestImageError, type KernelImage, readKernel } from './elf.ts';

/** Guests find the tree at the last whole pages of memory. */
const TREE_ALIGN = 8 * PAGE_SIZE;
/** Bytes of a command line. Kernels take some thousands: Linux 2,048 on this architecture. */
const COMMAND_LINE_MAX = 65_536;

/** Bytes at physical addresses, and where harts begin. */
interface Loaded {
  readonly entry: number;
  /** Where the device tree is. */
  readonly tree: number;
  readonly pieces: readonly { readonly address: number; readonly bytes: Uint8Array }[];
}

/** Lays out the memory of a machine that has not run. */
export function load(config: MachineConfig): Loaded {
  const { memory, initrd, commandLine } = config;
  if (commandLine.length > COMMAND_LINE_MAX)
    throw new GuestImageError(
      `Cannot load the command line of ${commandLine.length} characters: it has at most ${COMMAND_LINE_MAX}`,
    );
  const isImage = isBootImage(config.kernel);
  const kernel = isImage ? readBootImage(config.kernel, memory) : readKernel(config.kernel, memory);
  const parts = isImage ? [readFirmware(config), kernel] : [kernel];
  const end = MEMORY_BASE + memory;
  const layout = (start: number) => ({
    ...(isImage ? { firmwareBytes: FIRMWARE_BYTES } : {}),
    ...(initrd === undefined ? {} : { initrd: { start, end: start + initrd.length } }),
  });
  // Addresses are cells of fixed length: a tree is as long whatever they are.
  const treeBytes = deviceTree(config, layout(0)).length;
  const tree = end - TREE_ALIGN * Math.ceil(treeBytes / TREE_ALIGN);
  const initrdAt = tree - PAGE_SIZE * Math.ceil((initrd?.length ?? 0) / PAGE_SIZE);
  const segments = parts.flatMap((part) => part.segments);
  if (segments.some(({ address, size }) => address + size > tree))
    throw new GuestImageError('Cannot load the kernel: it leaves no room in memory for the device tree after it');
  if (segments.some(({ address, size }) => address + size > initrdAt)) {
    const bytes = initrd?.length ?? 0;
    throw new GuestImageError(
      `Cannot load the initial file system of ${bytes} bytes: the kernel leaves no room for it in ${memory} bytes of memory`,
    );
  }
  const pieces = [
    ...segments,
    ...(initrd === undefined ? [] : [{ address: initrdAt, bytes: initrd }]),
    { address: tree, bytes: deviceTree(config, layout(initrdAt)) },
  ];
  const [{ entry } = kernel] = parts;
  return { entry, tree, pieces: pieces.map(({ address, bytes }) => ({ address, bytes })) };
}

function readFirmware({ firmware, memory }: MachineConfig): KernelImage {
  if (firmware === undefined)
    throw new GuestImageError(
      'Cannot load the kernel: it is a boot image, which begins in supervisor mode, and the machine has no firmware',
    );
  const image = readKernel(firmware, memory);
  const isInside = image.segments.every(({ address, size }) => address + size <= MEMORY_BASE + FIRMWARE_BYTES);
  if (!isInside || image.entry !== MEMORY_BASE)
    throw new GuestImageError(
      `Cannot load the firmware: it is to begin at the start of memory and to end within ${FIRMWARE_BYTES} bytes`,
    );
  return image;
}
