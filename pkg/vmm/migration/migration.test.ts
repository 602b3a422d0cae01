import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import type { MigrationSettings } from './contract.ts';
import { createSource } from './source.ts';
import { createTarget } from './target.ts';
import { difference, type Fault, Rig, restlessConfig, settings, twinOf } from './test-rig.ts';

const quiet = { bandwidth: 4_000_000, latencyMs: 1, instructionsPerMs: 2000, pieceBytes: () => 1400 };
const arbiter = { delayMs: () => 2, isLost: () => false };

function migrate(more: Partial<MigrationSettings>, { pause = 400, faults = [] as readonly Fault[], ...rig } = {}) {
  const config = restlessConfig({ regionKiB: 64, pause });
  const machine = createMachine(config);
  machine.run(200_000);
  const whole = { ...settings, ...more };
  const source = createSource({ machine, config, settings: whole });
  const target = createTarget({ accept: () => undefined });
  const hosts = new Rig({ ...quiet, arbiter, ...rig });
  hosts.run({ machine, source, target }, { faults, limitMs: 60_000 });
  return { hosts, source, target, config };
}

/** What runs now is what an unmigrated machine is after as many instructions, and stays so. */
function expectTwin({ hosts, config }: ReturnType<typeof migrate>): void {
  const [host] = hosts.running;
  const machine = host!.machine!;
  for (const more of [0, 50_000]) {
    machine.run(more);
    const twin = twinOf(config, machine.counters.instructions);
    expect(difference(machine, twin)).toBeUndefined();
    machine.saveState();
    expect(machine.saveState().parts['machine']).toEqual(twin.saveState().parts['machine']);
  }
}

test.each(['pre-copy', 'post-copy', 'hybrid'] as const)('a machine moves while it runs: %s', (mode) => {
  const all = migrate({ mode });
  const { hosts } = all;
  expect(hosts.source).toMatchObject({ outcome: 'completed', reason: '', machine: undefined });
  expect(hosts.target).toMatchObject({ outcome: 'completed', reason: '' });
  expect(hosts.running).toEqual([hosts.target]);
  expectTwin(all);
});
