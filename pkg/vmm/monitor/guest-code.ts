/** Where the kernel of a guest in mode U really executes: what `deprivileged.ts` asks of it. The guest's own instructions are such code, and so is what is made of them (`translator.ts`), or an interpreter (`interpreted.ts`). */
import type { Instruction } from '../isa/instruction.ts';

/** What a trap in a place of the hart was about. */
export interface Stopped {
  /** The guest's address that it stands for. */
  readonly pc: bigint;
  /** It was the code's own request: for one instruction to be done, for code of `pc`, of which it has none, or for its log of stores to be taken, which it was. */
  readonly request?: 'instruction' | 'code' | 'log';
  readonly instruction?: Instruction | undefined;
}

/** How far a kernel that is interpreted came: to a trap of the hart, to an instruction of the system, which it left to be done, or to the end of what it might. */
export type Ran =
  | { readonly kind: 'trapped' }
  | { readonly kind: 'system'; readonly pc: bigint; readonly instruction: Instruction }
  | { readonly kind: 'spent'; readonly pc: bigint };

/** Where the instructions of a guest's kernel really are. */
export interface Code {
  /** There where the hart does not run them: runs them from `pc` on, up to so many. */
  run?(pc: bigint, instructions: number): Ran;
  /** Where the hart goes for the guest to go on at `pc`; undefined where the guest can fetch nothing there, and the hart could, as it is the monitor's own. */
  enter(pc: bigint): bigint | undefined;
  /** What a trap of the hart at `at` is about. */
  stopped(at: bigint, cause: number): Stopped;
  /** A page that a store to must be told to `written`. */
  watches(page: number): boolean;
  /** The guest wrote to such a page. */
  written(page: number): void;
  /** The guest looks at its memory differently. */
  moved(satp: bigint): void;
  /** An entry of the guest's tables changed, or any of them may have. */
  remapped(entry: number | undefined): void;
  /** Whether an address is the monitor's own while the guest's kernel runs. */
  reserves(virtual: bigint): boolean;
  /** A store at `pc` was to a traced page. */
  traced(pc: bigint): void;
  /** Such a store was asked for by the code and done: the next ones of the same place to the same page may be done by the code itself, if it notes them. */
  storedToTable(store: TableStore): void;
}

/** A store to a table of the lowest level. */
export interface TableStore {
  readonly pc: bigint;
  readonly virtual: bigint;
  /** The table, as the guest's address of its page. */
  readonly table: number;
  /** The guest's entry that the store went by. */
  readonly entry: number;
}

/** Code that is the guest's own: what trap-and-emulate runs. */
export const ownCode: Code = {
  enter: (pc) => pc,
  stopped: (pc) => ({ pc }),
  watches: () => false,
  written: () => undefined,
  moved: () => undefined,
  remapped: () => undefined,
  reserves: () => false,
  traced: () => undefined,
  storedToTable: () => undefined,
};
