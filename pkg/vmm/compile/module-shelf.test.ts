import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import { restlessConfig } from '../migration/test-rig.ts';
import { elfOfWords } from '../test-guests.ts';
import { ModuleShelf } from './module-shelf.ts';

/** The smallest module that there is. */
const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

test('a region is made once for what begins at a place of a page, and for other bytes anew', () => {
  const shelf = new ModuleShelf();
  let made = 0;
  const ask = (page: Uint8Array, offset: number, memory = 'small') =>
    shelf.regionOf({ page, offset, memory }, () => {
      made++;
      return { module: new WebAssembly.Module(empty), entries: [offset], decoded: [offset, 4] };
    });
  const [page, other] = [Uint8Array.of(1, 2), Uint8Array.of(1, 3)];
  const first = ask(page, 0);
  expect([ask(page.slice(), 0), made]).toEqual([first, 1]);
  for (const again of [() => ask(other, 0), () => ask(page, 2), () => ask(page, 0, 'large')]) again();
  expect(made).toBe(4);
});

test('a machine whose code was compiled for another runs as that does', () => {
  const config = restlessConfig({ regionKiB: 64, pause: 60, engine: 'compile' });
  const modules = new ModuleShelf();
  const [alone, first, second] = [{}, { modules }, { modules }].map((tuning) => {
    const machine = createMachine(config, undefined, tuning);
    machine.run(300_000);
    const { instructions, blocksCompiled } = machine.counters;
    return { state: machine.saveState(), instructions, blocksCompiled };
  });
  expect(alone?.blocksCompiled).toBeGreaterThan(0);
  expect([first, second]).toEqual([alone, alone]);
});

const jump = (offset: number): number =>
  (0x6f | ((offset & 0x7fe) << 20) | ((offset & 0x800) << 9) | (offset & 0xff000) | ((offset < 0 ? 1 : 0) << 31)) >>> 0;

test('code that another machine has found is made anew when the program changes it', () => {
  const nops = (count: number): readonly number[] => Array.from({ length: count }, () => 0x0000_0013);
  const kernel = elfOfWords([
    0x0000_0297, // auipc t0, 0
    0x0802_8293, // addi t0, t0, 128: the instruction that is changed
    0x0002_a303, // lw t1, 0(t0)
    0x0010_03b7, // lui t2, 0x100: one more in its immediate
    0x3e80_0e13, // li t3, 1000
    jump(108),
    ...nops(26),
    0x0005_0513, // addi a0, a0, 0
    0xfffe_0e13, // addi t3, t3, -1
    0xfe0e_1ce3, // bnez t3, -8
    jump(52),
    ...nops(12),
    0x0073_0333, // add t1, t1, t2
    0x0062_a023, // sw t1, 0(t0)
    0x3e80_0e13, // li t3, 1000
    jump(-76),
  ]);
  const config = { memory: 1 << 20, harts: 1, kernel, commandLine: '', engine: 'compile' } as const;
  const modules = new ModuleShelf();
  createMachine(config, undefined, { modules }).run(5000);
  const [alone, warmed] = [createMachine(config), createMachine(config, undefined, { modules })];
  // Nothing of it was decoded here.
  expect(warmed.warm(128)).toBe(false);
  for (const machine of [alone, warmed]) machine.run(20_000);
  expect(warmed.saveState().parts['harts']).toEqual(alone.saveState().parts['harts']);
});

test('who compiles ahead hears whether there was a module', () => {
  const config = restlessConfig({ regionKiB: 64, pause: 60, engine: 'compile' });
  const modules = new ModuleShelf();
  const first = createMachine(config);
  first.run(300_000);
  const places = first.hotPlaces();
  expect(places.length).toBeGreaterThan(0);
  const warmed = (): readonly boolean[] => {
    const machine = createMachine(config, undefined, { modules });
    return places.map((place) => machine.warm(place));
  };
  expect(warmed()).toContain(true);
  expect(warmed()).not.toContain(true);
});
