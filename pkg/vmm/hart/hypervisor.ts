/**
 * What a hart has besides where it has the hypervisor extension: whether it runs a guest (V), the registers of the hypervisor and those that stand for
 * the supervisor's while a guest runs. A hart without one runs as if this file were not there. Not here: the loads and stores that a
 * hypervisor does as its guest (HLV, HSV), and interrupts of guests (hideleg, hvip): vsie and vsip keep what is written, and nothing comes of it. Source: RISC-V privileged architecture 20211203, chapter 8.
 */

/** Registers that hold what is written to them, by name. */
const zeroHypervisor = {
  hstatus: 0x2_0000_0000n,
  hedeleg: 0n,
  hcounteren: 0n,
  htval: 0n,
  htinst: 0n,
  hgatp: 0n,
  vsstatus: 0x2_0000_0000n,
  vstvec: 0n,
  vsscratch: 0n,
  vsepc: 0n,
  vscause: 0n,
  vstval: 0n,
  vsatp: 0n,
  vsie: 0n,
  vsip: 0n,
  mtval2: 0n,
  mtinst: 0n,
};

/** Names of those registers. */
export type HypervisorName = keyof typeof zeroHypervisor;

/** The values of htinst and mtinst for an entry of the guest's tables that could not be read, or marked. */
const ofTables = { data: 0n, table: 0x3000n, mark: 0x3020n } as const;

/** What an access of the second stage was for: the guest's own load, store or fetch, or an entry of its tables read or marked for one. */
export type SecondStageUse = keyof typeof ofTables;

/** The extension's state of one hart. */
export class Hypervisor {
  readonly csr: Record<HypervisorName, bigint> = { ...zeroHypervisor };
  /** V: a guest runs, in mode U or S. */
  virtual = false;
  /** Whose translations, with regard to V, the translation buffers hold. */
  buffersOf = false;
  /** Of the fault that is about to be taken: the guest's physical address, and what is known of the access; both 0 for other traps. */
  faultAddress = 0;
  faultInstruction = 0n;

  /** Notes what goes with a guest-page fault. */
  noteFault(address: number, use: SecondStageUse): void {
    this.faultAddress = address;
    this.faultInstruction = ofTables[use];
  }

  /** What was noted for the trap that is taken: the address shifted as mtval2 and htval have it. */
  takeFault(): { readonly value: bigint; readonly instruction: bigint } {
    const noted = { value: BigInt(Math.floor(this.faultAddress / 4)), instruction: this.faultInstruction };
    this.faultAddress = 0;
    this.faultInstruction = 0n;
    return noted;
  }
}

/** Control registers of the extension by number, and which of their bits can be written. */
export const hypervisorRegisters: readonly (readonly [number: number, name: HypervisorName, mask: bigint])[] = [
  // VTSR, VTW, VTVM, SPVP, SPV and GVA; there are no guests' external interrupts to choose among (VGEIN).
  [0x600, 'hstatus', 0x70_01c0n],
  [0x602, 'hedeleg', 0xb1ffn],
  [0x606, 'hcounteren', 0xffff_ffffn],
  [0x643, 'htval', 0xffff_ffff_ffff_ffffn],
  [0x64a, 'htinst', 0xffff_ffff_ffff_ffffn],
  [0x204, 'vsie', 0x222n],
  [0x240, 'vsscratch', 0xffff_ffff_ffff_ffffn],
  [0x241, 'vsepc', 0xffff_ffff_ffff_fffen],
  [0x242, 'vscause', 0xffff_ffff_ffff_ffffn],
  [0x243, 'vstval', 0xffff_ffff_ffff_ffffn],
  [0x244, 'vsip', 2n],
  [0x34a, 'mtinst', 0xffff_ffff_ffff_ffffn],
  [0x34b, 'mtval2', 0xffff_ffff_ffff_ffffn],
];

/** The supervisor's registers that are another while a guest runs: by number, the number of that other. */
export const substitutes: ReadonlyMap<number, number> = new Map([
  [0x100, 0x200],
  [0x104, 0x204],
  [0x105, 0x205],
  [0x140, 0x240],
  [0x141, 0x241],
  [0x142, 0x242],
  [0x143, 0x243],
  [0x144, 0x244],
  [0x180, 0x280],
]);
