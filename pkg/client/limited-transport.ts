/**
 * A transport that holds back: of all that many clients in one process ask at once, so many requests are under way and the others wait in
 * order. A thousand nodes that start together are then no crowd at the API server's door, and others' requests pass between theirs.
 *
 * Watches pass, as they would keep their places; logs and other requests that last must not go through it. What waits has no limit of its own: it is what its
 * clients have under way, each of which waits for the answer. Upstream counterpart: the rate limits of a client's configuration (`QPS`, `Burst`).
 */
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Transport } from './client.ts';

const isWatch = /(?:^|&)watch=(?:true|1)(?:&|$)/;

/** Places for requests, shared by all transports that are limited by it. */
export class RequestPlaces {
  #free: number;
  #waiting: (() => void)[] = [];
  #head = 0;

  constructor(count: number) {
    this.#free = count;
  }

  /** Takes a place: at once, or when the promise resolves. */
  enter(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives the place back, or on to the one who has waited longest. */
  leave(): void {
    const next = this.#waiting[this.#head];
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#head++;
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    }
    next();
  }
}

/** `transport` for requests that take a place each; one that is aborted while it waits rejects when its turn comes. */
export function limitedTransport(transport: Transport, places: RequestPlaces): Transport {
  const leave = (): void => places.leave();
  const inPlace: ApiHandler = (call) => {
    const answer = call.signal.aborted ? Promise.reject(call.signal.reason) : transport.request(call);
    answer.then(leave, leave);
    return answer;
  };
  return {
    ...(transport.isLocal === true ? { isLocal: true } : {}),
    request(call) {
      if (call.query !== '' && isWatch.test(call.query)) return transport.request(call);
      const turn = places.enter();
      return turn === undefined ? inPlace(call) : turn.then(() => inPlace(call));
    },
  };
}
