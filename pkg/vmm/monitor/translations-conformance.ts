/** The laws of `Translations`, which each implementation is held to by what the hart really reaches. */
import { expect, test } from 'vitest';
import { hiOf, loOf, TRAP } from '../hart/hart-state.ts';
import { type Access, EXECUTE, READ, WRITE } from '../hart/mmu.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { Rights } from './guest-tables.ts';
import { PhysicalMachine } from './physical.ts';
import type { Translations } from './translations.ts';

const open: Rights = { read: true, write: true, execute: true };
const at = 0x30_0000_0000n;

/** Registers the tests of one implementation. */
export function testTranslations(name: string, create: (machine: PhysicalMachine) => Translations): void {
  function stage() {
    const machine = new PhysicalMachine(16 << 20, 4 << 20, 'before');
    const translations = create(machine);
    const page = (index: number): number => machine.guestBase + index * PAGE_SIZE;
    /** The page that an access leads to, as its number of the guest's; undefined where the hart traps. */
    const reach = (view: string, virtual: bigint, access: Access = READ): number | undefined => {
      machine.actAsUser(translations.satp(view));
      machine.hart.mode = access === EXECUTE ? 0 : machine.hart.mode;
      try {
        const address = machine.hart.mmu.translate(access, loOf(virtual), hiOf(virtual), 1);
        return (address - machine.guestBase) / PAGE_SIZE;
      } catch (error) {
        if (error !== TRAP) throw error;
        return undefined;
      }
    };
    const map = (view: string, virtual: bigint, index: number, rights: Rights = open): void =>
      translations.map(view, virtual, {
        entry: 0x8000_0000 + index * 8,
        frame: page(index),
        physical: page(index),
        rights,
      });
    return { machine, translations, page, reach, map };
  }

  test(`${name}: a page is reached in its view alone, by the rights that it was mapped with`, () => {
    const { reach, map } = stage();
    expect(reach('kernel', at)).toBeUndefined();
    map('kernel', at, 3, { read: true, write: false, execute: false });
    expect(reach('kernel', at)).toBe(3);
    expect(reach('kernel', at, WRITE)).toBeUndefined();
    expect(reach('kernel', at, EXECUTE)).toBeUndefined();
    expect(reach('user', at)).toBeUndefined();
    expect(reach('kernel', at + 4096n)).toBeUndefined();
    map('user', at, 4);
    expect([reach('user', at), reach('kernel', at), reach('user', at, EXECUTE)]).toEqual([4, 3, 4]);
  });

  test(`${name}: what is mapped again is reached as it was mapped last`, () => {
    const { reach, map } = stage();
    map('kernel', at, 3);
    expect(reach('kernel', at, WRITE)).toBe(3);
    map('kernel', at, 5, { read: true, write: false, execute: false });
    expect([reach('kernel', at), reach('kernel', at, WRITE)]).toEqual([5, undefined]);
  });

  test(`${name}: a frame is forgotten in every view, and what else is mapped stays`, () => {
    const { translations, page, reach, map } = stage();
    map('kernel', at, 3);
    map('user', at + 4096n, 3);
    map('user', at + 8192n, 4);
    expect(reach('kernel', at)).toBe(3);
    translations.forgetFrame(page(3));
    expect([reach('kernel', at), reach('user', at + 4096n), reach('user', at + 8192n)]).toEqual([
      undefined,
      undefined,
      4,
    ]);
  });

  test(`${name}: what is given up traps, and can be mapped again`, () => {
    const { reach, map } = stage();
    for (let index = 0; index < 600; index++) {
      map('kernel', at + BigInt(index) * 4096n, index);
      expect(reach('kernel', at + BigInt(index) * 4096n)).toBe(index);
    }
    for (let index = 0; index < 600; index++) {
      const found = reach('kernel', at + BigInt(index) * 4096n);
      if (found !== undefined) expect(found).toBe(index);
      map('kernel', at + BigInt(index) * 4096n, index + 1);
      expect(reach('kernel', at + BigInt(index) * 4096n)).toBe(index + 1);
    }
  });

  test(`${name}: what is the monitor's own is there again after all was forgotten`, () => {
    const { machine, translations, reach, map } = stage();
    const own = machine.takePages(2);
    translations.onView = (view) => {
      const pages = { physical: own, pages: 2, rights: { read: true, write: false, execute: true } };
      if (view === 'kernel') translations.mapOwn(view, -8192n & 0xffff_ffff_ffff_ffffn, pages);
    };
    const number = (own - machine.guestBase) / PAGE_SIZE;
    const second = 0xffff_ffff_ffff_f000n;
    map('kernel', at, 3);
    for (let round = 0; round < 2; round++) {
      expect([reach('kernel', second), reach('kernel', second, WRITE)]).toEqual([number + 1, undefined]);
      expect(reach('user', second)).toBeUndefined();
      translations.forgetAll();
      expect(reach('kernel', at)).toBeUndefined();
    }
  });
}
