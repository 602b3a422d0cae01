/**
 * Which instructions of the hart are sensitive, which privileged, and so which ways can run a guest on it. Nothing is looked up: each instruction is executed in states that
 * differ in mode and in the supervisor's registers. Sensitive is one that changes such a register or the mode, or whose result depends on them; privileged is one that traps
 * in mode U where it does not in mode S. If all sensitive ones are privileged, trap-and-emulate gives an equivalent machine (theorem 1). One is user-sensitive that, in mode U,
 * changes such a register or gives what depends on one: if those are privileged, it suffices that the kernel is not run as it is, but interpreted (theorem 3) or translated. Two-stage
 * hardware needs no such thing. Loads and stores are left out: where they lead is the tables', which are the monitor's. Source: Popek and Goldberg 1974.
 */

import type { Hart } from '../hart/hart.ts';
import { SUPERVISOR, TRAP, USER, type UserStatus } from '../hart/hart-state.ts';
import { type RegisterName, zeroRegisters } from '../hart/kept-registers.ts';
import { takeTrap } from '../hart/traps.ts';
import { decode } from '../isa/decode.ts';
import { PhysicalMachine } from './physical.ts';
import { virtualName } from './virtual-registers.ts';

/** What was found of one instruction. */
export interface Finding {
  readonly word: number;
  /** As it is written, without operands but the control register. */
  readonly name: string;
  readonly sensitive: boolean;
  readonly userSensitive: boolean;
  readonly privileged: boolean;
}

const GIVEN = 0x5a5a_5a5a_0000_0122n;
const START = 0x8000_0000;
const RS1 = 10;
const RD = 11;
/** The supervisor's registers in two states that differ everywhere. */
const states: readonly Readonly<Partial<Record<RegisterName, bigint>>>[] = [
  {
    mstatus: 0xa_0000_0000n,
    stvec: 0x8000_1000n,
    sscratch: 1n,
    sepc: 0x8000_2000n,
    scause: 1n,
    satp: 0n,
    stval: 1n,
    mie: 0n,
    scounteren: 0n,
  },
  {
    mstatus: 0xa_000c_0122n,
    stvec: 0x8000_3000n,
    sscratch: 2n,
    sepc: 0x8000_4000n,
    scause: 2n,
    satp: (8n << 60n) | 1n,
    stval: 2n,
    mie: 0x222n,
    scounteren: 7n,
  },
];

interface Effect {
  readonly trapped: boolean;
  readonly result: string;
  readonly changed: boolean;
}

/** The supervisor's registers and the mode, as one text. */
function resources(hart: Hart): string {
  return `${hart.mode} ${Object.values(hart.csr).join(' ')}`;
}

function execute(hart: Hart, word: number, mode: number, state: (typeof states)[number]): Effect {
  Object.assign(hart.csr, zeroRegisters, { mideleg: 0x222n }, state);
  hart.waiting = false;
  hart.mode = mode;
  for (let register = 1; register < 32; register++) hart.set(register, 0, 0);
  hart.setBig(RS1, GIVEN);
  hart.pcLo = START | 0;
  hart.pcHi = 0;
  hart.nextLo = hart.pcLo + 4;
  hart.nextHi = 0;
  const before = resources(hart);
  const instruction = decode(word);
  try {
    instruction.run(hart, instruction);
  } catch (error) {
    if (error !== TRAP) throw error;
    takeTrap(hart);
    return { trapped: true, result: '', changed: false };
  }
  const registers = Array.from({ length: 32 }, (_, index) => hart.big(index)).join(' ');
  return { trapped: false, result: `${registers} ${hart.nextLo} ${hart.waiting}`, changed: resources(hart) !== before };
}

/** What each instruction is on the hart, or on a variant of it. */
export function examine(words: readonly number[], userStatus: UserStatus): readonly Finding[] {
  const { hart } = new PhysicalMachine(1 << 20, 1 << 20, 'after');
  hart.hypervisor = undefined;
  hart.userStatus = userStatus;
  return words.map((word) => examineOne(hart, word));
}

function examineOne(hart: Hart, word: number): Finding {
  const inSupervisor = states.map((state) => execute(hart, word, SUPERVISOR, state));
  const inUser = states.map((state) => execute(hart, word, USER, state));
  const done = inSupervisor.filter(({ trapped }) => !trapped);
  const inUserDone = inUser.filter(({ trapped }) => !trapped);
  const depends = resultsOf(done) > 1 || done.some(({ result }) => result.endsWith(' true'));
  const differs = done.some(
    ({ result }, index) => inUser[index]?.trapped === false && inUser[index]?.result !== result,
  );
  return {
    word,
    name: nameOf(word),
    sensitive: depends || differs || done.some(({ changed }) => changed),
    userSensitive: resultsOf(inUserDone) > 1 || inUserDone.some(({ changed }) => changed),
    privileged: done.length > 0 && inUser.every(({ trapped }) => trapped),
  };
}

function resultsOf(effects: readonly Effect[]): number {
  return new Set(effects.map(({ result }) => result)).size;
}

function nameOf(word: number): string {
  const { operation, imm } = decode(word);
  const number = imm & 0xfff;
  return operation.format === 'csr'
    ? `${operation.name} ${virtualName(number) ?? `0x${number.toString(16)}`}`
    : operation.name;
}

/** One word of each instruction there is to ask about: arithmetic, system instructions, and each way to reach each control register of modes U and S. */
export function instructionWords(): readonly number[] {
  const whole = [0x0000_0073, 0x0010_0073, 0x1020_0073, 0x1050_0073, 0x1200_0073, 0x0000_000f, 0x0000_100f];
  const plain = [0x0015_0593, 0x00a5_05b3, 0x02a5_05b3, 0x0000_05b7, 0x0000_0597, 0x00a5_45b3];
  const accesses = [1, 2, 3, 5, 6, 7].flatMap((kind) =>
    Array.from({ length: 0x200 }, (_, number) => (number << 20) | (RS1 << 15) | (kind << 12) | (RD << 7) | 0x73),
  );
  return [...whole, ...plain, ...accesses];
}

/** The instructions that are sensitive and do not trap in mode U: none, if trap-and-emulate can run any guest of this hart. */
export function violations(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ sensitive, privileged }) => sensitive && !privileged);
}

/** The instructions that are user-sensitive and do not trap in mode U: none, if a monitor that lets programs run as they are, and kernels not, can run any guest of this hart. */
export function userViolations(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ userSensitive, privileged }) => userSensitive && !privileged);
}
