import { onTestFinished } from 'vitest';
import { SystemClock } from './clock.ts';
import { clockConformance, randomConformance } from './conformance.ts';
import { SeededRandom, SystemRandom } from './random.ts';
import { SteeredClock } from './steered-clock.ts';
import { VirtualClock, virtualEpochMs } from './virtual-clock.ts';

/** One whose time passes until the test has ended. */
function steered(): SteeredClock {
  const clock = new SteeredClock(new SystemClock(), virtualEpochMs);
  const end = new AbortController();
  const running = clock.run(end.signal);
  onTestFinished(() => {
    end.abort();
    return running;
  });
  return clock;
}

clockConformance('system clock', { make: () => new SystemClock(), settle: (_, promise) => promise });
clockConformance('virtual clock', {
  make: () => new VirtualClock(),
  async settle(clock, promise) {
    await (clock as VirtualClock).advance(10);
    return promise;
  },
});
clockConformance('steered clock that runs', {
  make: () => steered(),
  settle: (_, promise) => promise,
});
clockConformance('steered clock that is stepped', {
  make() {
    const clock = steered();
    clock.pause();
    return clock;
  },
  async settle(clock, promise) {
    await (clock as SteeredClock).step(10);
    return promise;
  },
});
randomConformance('system random', () => new SystemRandom());
randomConformance('seeded random', () => new SeededRandom(3));
