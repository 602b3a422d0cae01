/**
 * Stand-bys in which something goes wrong at random, on virtual time, against a machine that nobody keeps twice. Fifty seeds; a thousand by
 * `COXSWAIN_MIGRATION_SEEDS=1000 node tests/run.ts unit pkg/vmm/migration/standby-seeds`; one by `COXSWAIN_MIGRATION_SEED=17`.
 */
import process from 'node:process';
import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import { createStandbySource } from './standby-source.ts';
import { createStandbyTarget } from './standby-target.ts';
import { chanceOf, expectSame, seedsOf } from './test-chance.ts';
import { type Fault, Rig, restlessConfig, twinOf } from './test-rig.ts';

const { COXSWAIN_MIGRATION_SEEDS: count, COXSWAIN_MIGRATION_SEED: only } = process.env;
const seeds = seedsOf({ ...(count === undefined ? {} : { count }), ...(only === undefined ? {} : { only }) });

const ends: readonly Fault['kind'][] = ['cut', 'source-dies', 'source-dies', 'source-cut-off', 'take-over'];
const others: readonly Fault['kind'][] = [...ends, 'target-dies', 'abort-source', 'abort-target'];
const takeoverMs = 1000;

function scenario(seed: number) {
  const chance = chanceOf(seed);
  const config = restlessConfig({
    regionKiB: chance.pick([64, 128, 256, 512]),
    pause: chance.pick([4, 60, 400]),
    engine: chance.pick(['compile', 'interpret']),
  });
  const machine = createMachine(config);
  machine.run(chance.upTo(50_000));
  const bandwidth = chance.pick([1_000_000, 8_000_000]);
  const intervalMs = chance.pick([20, 100, 300]);
  const compress = chance.is(0.7);
  const source = createStandbySource({
    ...{ machine, config },
    settings: { mode: 'standby', bandwidth, intervalMs, takeoverMs, compress },
  });
  const target = createStandbyTarget({ accept: () => (chance.is(0.03) ? 'no room' : undefined) });
  const lateMs = chance.pick([1, 10, 600]);
  const lostPart = chance.pick([0, 0, 0.3]);
  const rig = new Rig({
    bandwidth: bandwidth * chance.pick([1, 2]),
    latencyMs: chance.pick([0, 1, 20]),
    instructionsPerMs: chance.pick([20, 80]),
    arbiter: {
      delayMs: () => chance.upTo(lateMs),
      isLost: () => chance.is(lostPart),
      // Said once, whoever dies.
      decides: (owner, { wanted }) => owner ?? wanted,
    },
    pieceBytes: () => chance.pick([1, 100, 1400, 65_536]),
    reconnects: false,
  });
  const last = 200 + chance.upTo(700);
  const first = Array.from({ length: chance.upTo(3) }, () => ({ atMs: chance.upTo(last), kind: chance.pick(others) }));
  // A stand-by ends with what goes wrong, and not before.
  const faults: readonly Fault[] = [...first, { atMs: last, kind: chance.pick(ends) }];
  return { config, machine, source, target, rig, faults, text: JSON.stringify(faults) };
}

const seen = { takenOver: 0, kept: 0, gone: 0 };

test.each(seeds)('one copy is left, and it is the machine: seed %d', (seed) => {
  const { config, machine, source, target, rig, faults, text } = scenario(seed);
  // That two never run the rig looks at after every step.
  rig.run({ machine, source, target }, { faults, limitMs: 60_000 });
  const how = `${text}: ${rig.source.outcome} ${rig.source.reason}; ${rig.target.outcome} ${rig.target.reason}`;
  expect(rig.isSettled, `${how}; ${source.figures.phase}, ${target.figures.phase}`).toBe(true);
  const [host, ...more] = rig.running;
  expect(more, how).toEqual([]);
  // From a source that does nothing but die the stand-by takes over whatever it has whole.
  const isPlain = faults.every(({ kind }) => kind === 'source-dies');
  if (isPlain && (target.figures.standby?.acknowledged ?? 0) > 0) expect(host?.side, how).toBe('target');
  if (host?.machine === undefined) {
    // Only who has died takes the machine along.
    expect(rig.source.isDead || (rig.target.isDead && rig.source.outcome === 'completed'), how).toBe(true);
    seen.gone++;
    return;
  }
  seen[host.side === 'target' ? 'takenOver' : 'kept']++;
  // What has left was of a machine that this one has been.
  if (host.side === 'target')
    expect(host.machine.counters.instructions, how).toBeGreaterThanOrEqual(rig.source.released);
  const twin = twinOf(config, host.machine.counters.instructions);
  for (const instructions of [0, 20_000]) {
    host.machine.run(instructions);
    twin.run(instructions);
    expectSame(host.machine, twin, how);
  }
});

test.skipIf(seeds.length < 50)('the seeds meet machines that are taken over, that stay and that are lost', () => {
  expect(
    Object.values(seen).every((times) => times > 0),
    JSON.stringify(seen),
  ).toBe(true);
});
