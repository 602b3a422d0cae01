import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { settings } from '#pkg/vmm/migration/test-rig.ts';
import { readChoice } from '#pkg/vmm/monitor/choices.ts';
import { createMonitoredMachine } from '#pkg/vmm/monitor/monitored-machine.ts';
import { GuestHost } from './guest-host.ts';
import { machineConfig } from './guest-machine.ts';
import { Moves } from './moves.ts';
import type { FromGuest, GuestStart } from './protocol.ts';

test('a machine under a monitor is not moved, which is told as the end of its migration, and goes on', async () => {
  const clock = new VirtualClock();
  const choice = readChoice('hardware');
  if (typeof choice === 'string') throw new Error(choice);
  const monitor = { choice, parameters: [64, 64, 64, 1_000_000] };
  const start: GuestStart = {
    kernel: readFileSync(new URL('../../../../vmm/guests/pages/pages.elf', import.meta.url)),
    ...{ memoryBytes: 8 << 20, commandLine: '', mac: Uint8Array.of(2, 0, 0, 0, 0, 1) },
    ...{ address: '127.0.0.1', ports: [], monitor },
  };
  const told: FromGuest[] = [];
  const tell = (message: FromGuest): void => {
    told.push(message);
  };
  const machine = createMonitoredMachine(machineConfig(start), monitor);
  const host = new GuestHost({ start, clock, machine, tell, end: () => undefined });
  const moves = new Moves({ host, start, clock, tell });
  await moves.migrate({
    migration: 'uid',
    ...{ node: 'here', host: '127.0.0.1', target: { host: '127.0.0.1', port: 1, node: 'there' } },
    identity: { certificate: '', key: '', authority: '' },
    settings: { ...settings, mode: 'pre-copy' },
  });
  expect(told.filter(({ type }) => type === 'migration').at(-1)).toMatchObject({
    ...{ migration: 'uid', side: 'source', outcome: 'aborted', reason: 'a machine under a monitor stays where it is' },
  });
  const before = machine.counters.instructions;
  await clock.advance(3);
  expect(machine.counters.instructions).toBeGreaterThan(before);
});
