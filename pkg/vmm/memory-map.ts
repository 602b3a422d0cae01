/**
 * Where things are: for the guest, and in the one buffer that its memory and the harts' state share, so that generated WebAssembly reaches
 * both. Source: QEMU's `virt` board (addresses of devices, numbers of interrupts).
 */

/** Bytes of a page. */
export const PAGE_SIZE = 4096;
/** Physical address of the first byte of memory. */
export const MEMORY_BASE = 0x8000_0000;
/** Bytes of memory at most. */
export const MEMORY_MAX = 2 ** 31;
/** Where a guest switches itself off. */
export const FINISHER_BASE = 0x10_0000;
/** Timers and interrupts between harts. */
export const CLINT_BASE = 0x200_0000;
/** Interrupts of devices. */
export const PLIC_BASE = 0xc00_0000;
/** The serial port. */
export const UART_BASE = 0x1000_0000;
/** The first of the slots for virtio devices. */
export const VIRTIO_BASE = 0x1000_1000;
/** Bytes from one slot to the next. */
export const VIRTIO_STRIDE = 0x1000;
/** How many slots there are: disk, network, console and balloon are in the first four. */
export const VIRTIO_SLOTS = 8;
/** The serial port's number at the PLIC. */
export const UART_INTERRUPT = 10;
/** The first slot's number at the PLIC; the others follow. */
export const VIRTIO_INTERRUPT = 1;

/** Ticks of the guest's clock in a second. */
export const TIMEBASE = 10_000_000;
/** Instructions in a tick, all harts together: what is run moves the guest's clock as on a processor of 100 MHz. */
export const INSTRUCTIONS_PER_TICK = 10;

/** Entries of one translation buffer; a power of two. Guests of some MiB of hot data fit; each is 16 bytes: tag (8), addend (4), unused (4). */
export const TLB_ENTRIES = 256;
/** Bytes of one translation buffer. */
export const TLB_BYTES = TLB_ENTRIES * 16;
/** Machine mode, user mode, supervisor mode, supervisor mode that may read user pages. */
export const CONTEXTS = 4;

/** Places of compiled code that a hart finds by its pc, for each mode; a power of two. Each is 16 bytes: pc (8), number of the code (4), its entry (4). */
export const JUMP_ENTRIES = 512;
/** Bytes of the places of one mode. */
export const JUMP_BYTES = JUMP_ENTRIES * 16;

/** Offsets in a hart's part of the buffer. */
export const hartLayout = {
  /** 32 words of 8 bytes. */
  x: 0,
  f: 256,
  pc: 512,
  /** Instructions that compiled code may still run (4 bytes). */
  left: 520,
  /** Offset of the read buffer of the context that data accesses have now (4 bytes); the write buffer is `TLB_BYTES * CONTEXTS` further on. */
  dataTlb: 524,
  /** The field FS of mstatus (4 bytes): 0 where F and D may not be used. */
  floats: 528,
  /** Accrued exceptions (4 bytes). */
  fflags: 532,
  /** Rounding mode (4 bytes). */
  frm: 536,
  /** The mode whose control registers code may reach (4 bytes); below all while a guest of the hypervisor extension runs. */
  rights: 540,
  /** Interrupts that would be taken if they were let in (4 bytes). */
  wanted: 544,
  /** Control registers that hold what is written, 8 bytes each (`hart/kept-registers.ts`). */
  kept: 552,
  /** Offset of the places of the mode that the hart is in (4 bytes). */
  places: 728,
  readTlb: 4096,
  writeTlb: 4096 + TLB_BYTES * CONTEXTS,
  /** Places of user, supervisor and machine mode. */
  jumps: 4096 + 2 * TLB_BYTES * CONTEXTS,
  bytes: 65_536,
} as const;
