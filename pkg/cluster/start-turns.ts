/**
 * Has those who start in one process let others in between. What is asked of an API in the same process is mostly answered within the call, so components that begin
 * go on without a pause: whoever asks over the network, and what is on its way to the disk, would wait until all of them have begun.
 *
 * Invariant: requests that wait are passed on in their order, and once the start is over none waits.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Transport } from '#pkg/client/client.ts';

/** Requests that come later than this after the first one of a turn wait for the next turn. */
const turnMsMax = 4;

/** Transports of a start, which take turns with all else of the process. */
export interface StartTurns {
  readonly transport: (inner: Transport) => Transport;
  /** The start is over. */
  readonly end: () => void;
}

/** Measures by `clock`, whose time has to pass while something runs. */
export function startTurns(clock: Pick<Clock, 'monotonicMs' | 'yield'>): StartTurns {
  let isOver = false;
  let beganMs = 0;
  let next: Promise<void> | undefined;
  /** The next turn where this one is over, else undefined. */
  const nextTurn = (): Promise<void> | undefined => {
    const nowMs = clock.monotonicMs();
    if (next !== undefined) return nowMs - beganMs < turnMsMax ? undefined : next;
    beganMs = nowMs;
    next = clock.yield().then(() => {
      next = undefined;
    });
    return undefined;
  };
  return {
    transport: (inner) => ({
      ...inner,
      request: (request) => {
        const turn = isOver ? undefined : nextTurn();
        return turn === undefined ? inner.request(request) : turn.then(() => inner.request(request));
      },
    }),
    end: () => {
      isOver = true;
    },
  };
}
