/**
 * The memory that the machines of a node have their pages in: banks of frames, in which pages that are alike are kept once. Invariants: a machine has one seat at one bank, and what it had is given back when its
 * seat is left; without `bytesMax` a bank is never promised more than it has, and there is another bank for whoever does not fit, so no machine ever lacks a page. With it there is one bank of that
 * many bytes, whatever its machines were promised: they get pages as they write them, and wait where there are none.
 */
import {
  BANK_BYTES_MAX,
  type BankParts,
  type BankUse,
  FrameBank,
  newBank,
  RESERVED_PART,
} from '#pkg/vmm/frames/frame-bank.ts';
import { type Discard, newSeat, type SeatParts, seatBytes } from '#pkg/vmm/frames/seat.ts';

interface Bank {
  readonly parts: BankParts;
  readonly bytes: number;
  /** By machine: what it was promised. */
  readonly seats: Map<number, number>;
}

/** How much there is, in bytes. */
export interface MachineMemoryOptions {
  /** Of the computer: no bank is larger. */
  readonly nodeBytes: number;
  /** What all machines together may use, at most 4 GiB; they may be promised more. Default: as much as they are promised. */
  readonly bytesMax?: number;
  /** By what frames that machines had go to the system. Default: the next machines have them. */
  readonly discard?: Discard | undefined;
}

/** Banks of a node. */
export class MachineMemory {
  readonly #options: MachineMemoryOptions;
  readonly #banks: Bank[] = [];
  #machines = 0;

  constructor(options: MachineMemoryOptions) {
    this.#options = options;
  }

  /** A seat for a machine of `size` bytes. Throws a RangeError where the system has no memory for a bank. */
  take(size: number): SeatParts {
    const machine = ++this.#machines;
    const bank = this.#bankFor(seatBytes(size));
    bank.seats.set(machine, seatBytes(size));
    return newSeat(bank.parts, { machine, size });
  }

  /** The machine is over, and its thread has ended. */
  leave({ bank: parts, machine, offsets }: SeatParts): void {
    const { discard } = this.#options;
    const bank = this.#banks.find((each) => each.parts === parts);
    if (bank?.seats.delete(machine) !== true) return;
    new FrameBank(parts).settle(machine, offsets, discard);
  }

  /** Of all banks together. */
  get use(): BankUse {
    const uses = this.#banks.map(({ parts }) => new FrameBank(parts).use());
    const sum = (of: (use: BankUse) => number): number => uses.reduce((total, use) => total + of(use), 0);
    return {
      frames: sum(({ frames }) => frames),
      owned: sum(({ owned }) => owned),
      lent: sum(({ lent }) => lent),
      borrowers: sum(({ borrowers }) => borrowers),
    };
  }

  #bankFor(bytes: number): Bank {
    const { nodeBytes, bytesMax } = this.#options;
    const [only] = this.#banks;
    if (bytesMax !== undefined && only !== undefined) return only;
    const roomy = this.#banks.find(({ bytes: size, seats }) => {
      const promised = [...seats.values()].reduce((sum, each) => sum + each, 0);
      return promised + bytes <= size;
    });
    if (roomy !== undefined) return roomy;
    const wanted =
      bytesMax ??
      Math.max(
        Math.min(nodeBytes, BANK_BYTES_MAX),
        Math.ceil((bytes + bankOwnBytes) / (1 - RESERVED_PART)) + bankOwnBytes,
      );
    const parts = newBank(wanted);
    const bank = {
      parts,
      bytes: parts.wasm.buffer.byteLength * (1 - RESERVED_PART) - bankOwnBytes,
      seats: new Map<number, number>(),
    };
    this.#banks.push(bank);
    return bank;
  }
}

/** The frame of zeros, rounded up. */
const bankOwnBytes = 65_536;
