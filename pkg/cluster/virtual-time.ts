/**
 * The time of a cluster that is steered (`up --virtual-time`) while it is reached over the network.
 *
 * Laws:
 * 1. What the API says of time, and what components wait for, is virtual: timestamps, leases, back-off, the lives of events and tokens, the simulated pods.
 * 2. What others outside check or wait for is real: connections and their deadlines, places in line, watches of other processes, certificates, proxies and DNS.
 *    So requests and watches are answered while time stands still, and however fast it passes.
 * 3. It begins at the time of the machine and runs at its speed until somebody steers it. It never goes back; the next start begins anew, so nothing may be
 *    kept of it: the store is in memory.
 * 4. When the cluster ends time runs again, for what waits for it in order to end.
 */
import { timePages } from '#pkg/apiserver/time-pages.ts';
import { aborted } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { SteeredClock } from '#pkg/base/steered-clock.ts';
import type { LocalApiOptions } from './local-api.ts';
import type { Members } from './members.ts';

/** The time of one cluster. */
export interface VirtualTime {
  readonly clock: Clock;
  /** By which it is steered. */
  readonly pages: NonNullable<LocalApiOptions['ownPages']>;
  /** Lets it pass from now on, until all else has ended. */
  start(members: Members): void;
}

/** A time that begins now. */
export function openVirtualTime(networkClock: Clock): VirtualTime {
  const clock = new SteeredClock(networkClock, networkClock.nowMs());
  return {
    clock,
    pages: timePages(clock),
    start(members) {
      members.start('virtual-clock', clock, { last: true });
      const release = async (signal: AbortSignal): Promise<void> => {
        await aborted(signal);
        clock.setSpeed(1);
        clock.resume();
      };
      members.start('virtual-time', { run: release });
    },
  };
}
