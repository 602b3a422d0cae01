import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import { restlessConfig } from '../migration/test-rig.ts';
import { ModuleShelf } from './module-shelf.ts';

/** The smallest module that there is. */
const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

test('a module is made once for what begins at a place of a page, and for other bytes anew', () => {
  const shelf = new ModuleShelf();
  let made = 0;
  const ask = (page: Uint8Array, offset: number, memory = 'small'): WebAssembly.Module =>
    shelf.moduleOf({ page, offset, memory }, () => {
      made++;
      return new WebAssembly.Module(empty);
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
