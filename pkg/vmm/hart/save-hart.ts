/** A hart's registers as plain data, and back. Translation buffers are not among them: they are emptied on both sides. */
import { type Plain, type PlainReader, plainBytes } from '../plain-state.ts';
import type { Hart } from './hart.ts';
import { zeroRegisters } from './kept-registers.ts';

/** Bytes of x0 to x31 and f0 to f31. */
const REGISTER_BYTES = 512;

/** What there is to know of a hart between two instructions. */
export function saveHart(hart: Hart): { readonly [name: string]: Plain } {
  hart.mmu.flush();
  const { pcLo, pcHi, mode, lines, waiting, reservation, retired, traps, interrupts, fflags, frm } = hart;
  const csr = Object.fromEntries(Object.entries(hart.csr).map(([name, value]) => [name, value.toString()]));
  const { pageWalks, tlbMisses } = hart.mmu.counters;
  return {
    ...{ pcLo, pcHi, mode, lines, waiting, reservation, retired, traps, interrupts, fflags, frm, pageWalks, tlbMisses },
    registers: plainBytes(hart.memory.bytes.slice(hart.at, hart.at + REGISTER_BYTES)),
    csr,
    cycleOffset: hart.cycleOffset.toString(),
    instretOffset: hart.instretOffset.toString(),
    lost: hart.lost ?? '',
    pmpConfig: Array.from(hart.pmpConfig),
    pmpAddress: hart.pmpAddress.map((address) => ({ address: address.toString() })),
  };
}

/** Makes a hart what it was. */
export function restoreHart(hart: Hart, state: PlainReader): void {
  hart.pcLo = state.number('pcLo');
  hart.pcHi = state.number('pcHi');
  hart.mode = state.number('mode');
  hart.lines = state.number('lines');
  hart.waiting = state.flag('waiting');
  hart.reservation = state.number('reservation');
  hart.retired = state.number('retired');
  hart.traps = state.number('traps');
  hart.interrupts = state.number('interrupts');
  hart.fflags = state.number('fflags');
  hart.frm = state.number('frm');
  hart.mmu.counters.pageWalks = state.number('pageWalks');
  hart.mmu.counters.tlbMisses = state.number('tlbMisses');
  hart.memory.bytes.set(state.bytes('registers').subarray(0, REGISTER_BYTES), hart.at);
  const csr = state.part('csr');
  for (const name of Object.keys(zeroRegisters)) if (isRegister(name)) hart.csr[name] = csr.big(name);
  hart.cycleOffset = state.big('cycleOffset');
  hart.instretOffset = state.big('instretOffset');
  const lost = state.text('lost');
  hart.lost = lost === '' ? undefined : lost;
  hart.pmpRanges = undefined;
  hart.pmpConfig.set(state.numbers('pmpConfig'));
  hart.pmpAddress.splice(0, hart.pmpAddress.length, ...state.parts('pmpAddress').map((part) => part.big('address')));
  hart.mmu.flush();
  hart.mmu.changeContext();
}

function isRegister(name: string): name is keyof typeof zeroRegisters {
  return name in zeroRegisters;
}
