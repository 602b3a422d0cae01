/**
 * Migrations in which something goes wrong at random, and whose link is cut at any byte, on virtual time, against a machine that was never moved. Fifty seeds and fifty cuts; a thousand by
 * `COXSWAIN_MIGRATION_SEEDS=1000 node tests/run.ts unit pkg/vmm/migration/migration-seeds`; one by `COXSWAIN_MIGRATION_SEED=17`.
 */
import process from 'node:process';
import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import { createSource } from './source.ts';
import { createTarget } from './target.ts';
import { chanceOf, expectSame, seedsOf } from './test-chance.ts';
import { type Cut, type Fault, Rig, restlessConfig, settings, twinOf } from './test-rig.ts';

const { COXSWAIN_MIGRATION_SEEDS: count, COXSWAIN_MIGRATION_SEED: only } = process.env;
const seeds = seedsOf({ ...(count === undefined ? {} : { count }), ...(only === undefined ? {} : { only }) });

const modes = ['pre-copy', 'post-copy', 'hybrid', 'suspend'] as const;
const kinds: readonly Fault['kind'][] = [
  'cut',
  'cut-for-good',
  'source-dies',
  'target-dies',
  'abort-source',
  'abort-target',
];

function scenario(seed: number) {
  const chance = chanceOf(seed);
  const config = restlessConfig({
    regionKiB: chance.pick([64, 128, 256, 512]),
    pause: chance.pick([4, 60, 400, 2000]),
    engine: chance.pick(['compile', 'interpret']),
  });
  const machine = createMachine(config);
  machine.run(chance.upTo(150_000));
  const mode = chance.pick(modes);
  const bandwidth = chance.pick([300_000, 1_000_000, 8_000_000]);
  const more = { downtimeMs: chance.pick([5, 20, 100]), roundsMax: chance.pick([2, 6, 12]) };
  const source = createSource({
    machine,
    config,
    settings: {
      ...settings,
      ...more,
      mode,
      bandwidth: bandwidth * chance.pick([0.5, 1, 3]),
      throttle: chance.is(0.5),
      push: chance.is(0.7),
      prePaging: chance.is(0.5),
      compress: chance.is(0.7),
    },
  });
  const target = createTarget({ accept: () => (chance.is(0.03) ? 'no room' : undefined) });
  const lateMs = chance.pick([1, 10, 600, 4000]);
  const lostPart = chance.pick([0, 0, 0.3]);
  const rig = new Rig({
    bandwidth,
    latencyMs: chance.pick([0, 1, 20]),
    instructionsPerMs: chance.pick([200, 800]),
    arbiter: { delayMs: () => chance.upTo(lateMs), isLost: () => chance.is(lostPart) },
    pieceBytes: () => chance.pick([1, 100, 1400, 65_536]),
  });
  const within = chance.pick([50, 300, 1500]);
  const faults = Array.from({ length: chance.upTo(3) }, () => ({
    atMs: chance.upTo(within),
    kind: chance.pick(kinds),
  }));
  return { config, machine, source, target, rig, faults, text: `${mode} with ${JSON.stringify(faults)}` };
}

/** Nobody but death leaves no machine, and then only one that took its part of the machine with it. */
function expectCopies(rig: Rig, text: string): void {
  const { source, target, running } = rig;
  expect(running.length, `${text}: ${source.reason}; ${target.reason}`).toBeLessThan(2);
  if (running.length === 1) return;
  expect(
    source.isDead || target.isDead,
    `${text}: none runs; ${source.outcome} ${source.reason}; ${target.outcome} ${target.reason}`,
  ).toBe(true);
  // A source that lives has let go only of a machine that is another's.
  if (!source.isDead) expect(source, text).toMatchObject({ outcome: 'completed', machine: undefined });
}

const seen = { moved: 0, kept: 0, gone: 0 };

test.each(seeds)('one copy is left, and it is the machine: seed %d', (seed) => {
  const { config, machine, source, target, rig, faults, text } = scenario(seed);
  rig.run({ machine, source, target }, { faults, limitMs: 60_000 });
  expect(rig.isSettled, `${text}: ${source.figures.phase}, ${target.figures.phase}`).toBe(true);
  expectCopies(rig, text);
  const [host] = rig.running;
  if (host?.machine === undefined) {
    seen.gone++;
    return;
  }
  seen[host.side === 'target' ? 'moved' : 'kept']++;
  for (const more of [0, 20_000]) {
    host.machine.run(more);
    expectSame(host.machine, twinOf(config, host.machine.counters.instructions), text);
  }
});

/** A migration whose link is cut at a byte; with what was carried until it was over. */
function cutAt(mode: (typeof modes)[number], cut: Cut | undefined) {
  const config = restlessConfig({ regionKiB: 128, pause: 400, engine: 'compile' });
  const machine = createMachine(config);
  machine.run(60_000);
  const bandwidth = 2_000_000;
  const source = createSource({ machine, config, settings: { ...settings, mode, bandwidth } });
  const target = createTarget({ accept: () => undefined });
  const arbiter = { delayMs: () => 3, isLost: () => false };
  const rig = new Rig({ bandwidth, latencyMs: 2, instructionsPerMs: 400, arbiter, pieceBytes: () => 1400 });
  rig.run({ machine, source, target }, { faults: [], limitMs: 60_000, ...(cut === undefined ? {} : { cut }) });
  return { config, rig };
}

const places = Math.ceil(seeds.length / modes.length);

test.each(modes)('one copy is left wherever the link is cut, in %s', { timeout: 120_000 + places * 2000 }, (mode) => {
  const length = cutAt(mode, undefined).rig.carriedBytes;
  const chance = chanceOf(length);
  for (let place = 0; place < places; place++) {
    // One in each stretch of the whole length.
    const afterBytes = Math.floor(((place + chance.upTo(1000) / 1000) * length) / places);
    const cut = { afterBytes, kind: chance.pick(['cut', 'cut-for-good'] as const) };
    const { config, rig } = cutAt(mode, cut);
    const text = `${mode}, ${cut.kind} after ${afterBytes} of ${length} bytes`;
    expect(rig.isSettled, text).toBe(true);
    const [host, ...others] = rig.running;
    if (host?.machine === undefined || others.length > 0) throw new Error(`${text}: ${rig.running.length} run`);
    expectSame(host.machine, twinOf(config, host.machine.counters.instructions), text);
  }
});

test.skipIf(seeds.length < 50)('the seeds meet machines that move, that stay and that are lost with their host', () => {
  expect(
    Object.values(seen).every((times) => times > 0),
    JSON.stringify(seen),
  ).toBe(true);
});
