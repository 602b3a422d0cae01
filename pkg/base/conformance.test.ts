import { SystemClock } from './clock.ts';
import { clockConformance, randomConformance } from './conformance.ts';
import { SeededRandom, SystemRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

clockConformance('system clock', { make: () => new SystemClock(), settle: (_, promise) => promise });
clockConformance('virtual clock', {
  make: () => new VirtualClock(),
  async settle(clock, promise) {
    await (clock as VirtualClock).advance(10);
    return promise;
  },
});
randomConformance('system random', () => new SystemRandom());
randomConformance('seeded random', () => new SeededRandom(3));
