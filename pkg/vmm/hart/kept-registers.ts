/**
 * Control registers that hold what is written to them. They lie in the hart's part of the buffer, so that compiled code reaches them as the interpreter does, which reads them as bigints, or as
 * halves where that is done often.
 */
import { hartLayout } from '../memory-map.ts';

/** What they are at first, by name; those that are views of others are not here. */
export const zeroRegisters = {
  mstatus: 0xa_0000_0000n,
  mtvec: 0n,
  medeleg: 0n,
  mideleg: 0n,
  mie: 0n,
  /** Bits of mip that software sets. */
  mip: 0n,
  mscratch: 0n,
  mepc: 0n,
  mcause: 0n,
  mtval: 0n,
  mcounteren: 0n,
  mcountinhibit: 0n,
  menvcfg: 0n,
  stvec: 0n,
  scounteren: 0n,
  senvcfg: 0n,
  sscratch: 0n,
  sepc: 0n,
  scause: 0n,
  stval: 0n,
  satp: 0n,
  stimecmp: 0xffff_ffff_ffff_ffffn,
} as const;

/** Names of control registers that hold what is written. */
export type RegisterName = keyof typeof zeroRegisters;

const names: readonly string[] = Object.keys(zeroRegisters);

/** Offset of a register in a hart's part of the buffer, in bytes. */
export function registerOffset(name: RegisterName): number {
  return hartLayout.kept + 8 * names.indexOf(name);
}

/** The registers of the hart whose part of a buffer begins at `at`, as they are at first. What is written is cut to 64 bits. */
export function keptRegisters(buffer: ArrayBufferLike, at: number): Record<RegisterName, bigint> {
  const words = new BigUint64Array(buffer);
  const first = (at + hartLayout.kept) / 8;
  const registers: Record<RegisterName, bigint> = { ...zeroRegisters };
  for (const [index, [name, zero]] of Object.entries(zeroRegisters).entries()) {
    words[first + index] = zero;
    Object.defineProperty(registers, name, {
      enumerable: true,
      get: () => words[first + index] ?? 0n,
      set: (value: bigint) => {
        words[first + index] = value;
      },
    });
  }
  return registers;
}
