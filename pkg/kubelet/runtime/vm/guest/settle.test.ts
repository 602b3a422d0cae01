import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { settle } from './settle.ts';

test('what nothing needs any more is collected once the machine has settled', { timeout: 300_000 }, async () => {
  const clock = new VirtualClock();
  const collected = Promise.withResolvers<string>();
  const registry = new FinalizationRegistry(collected.resolve);
  registry.register({ of: 'booting' }, 'what booting took');
  settle(clock);
  await clock.advance(1000);
  await expect(collected.promise).resolves.toBe('what booting took');
  // It would not tell if it were collected itself.
  registry.unregister(clock);
});
