import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { guestAddress } from '#pkg/vmm/host/user-network.ts';
import { restlessConfig } from '#pkg/vmm/migration/test-rig.ts';
import type { GuestStart } from './protocol.ts';
import { rehearse } from './rehearsal.ts';

/** How long a rehearsal takes, in virtual time; undefined: longer than is looked. */
async function rehearsed(given: Pick<GuestStart, 'kernel' | 'ports' | 'share'>) {
  const clock = new VirtualClock();
  const start = {
    ...given,
    memoryBytes: 8 << 20,
    commandLine: `ip=${guestAddress}/24`,
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    address: '127.0.0.1',
    waits: true,
  } as const;
  let tookMs: number | undefined;
  const done = rehearse({ start, clock }).then(() => {
    tookMs = clock.monotonicMs();
  });
  await clock.advance(5000);
  await done;
  // Whatever it has begun is over: no timer is left but those of connections that find it so.
  await clock.advance(1000);
  return tookMs;
}

test('a rehearsal is over when the machine has answered often enough', async () => {
  const kernel = readFileSync(new URL('../../../../vmm/guests/kernel/kernel.elf', import.meta.url));
  expect(await rehearsed({ kernel, ports: [8080] })).toBeLessThan(2000);
});

test('a machine that never answers, or that nobody can ask, is not waited for', async () => {
  const { kernel } = restlessConfig({ regionKiB: 64, pause: 2000 });
  expect(await rehearsed({ kernel, ports: [] })).toBe(0);
  expect(await rehearsed({ kernel, ports: [8080], share: 0.02 })).toBe(2000);
});
