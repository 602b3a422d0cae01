/**
 * How many requests may be under way at once. What comes on top waits its turn, in order; when too many wait, the next is told to
 * come back later. Watches and logs do not count, nor does health.
 * Upstream counterpart: apiserver `server/filters/maxinflight.go`, and the queues of `priority-and-fairness.go`.
 */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { RequestInfo } from './request-info.ts';

/** How many requests are worked on at once, and how many wait. */
export interface ApiServerLimits {
  /** Requests that only read, in flight at once; long-running ones do not count. Default 400. */
  readonly readInFlightMax?: number;
  /** Requests that write, in flight at once. Default 200. */
  readonly writeInFlightMax?: number;
  /** Requests of each kind that wait for others to end. Default 5,000: a heartbeat of that many nodes at one instant. */
  readonly waitingMax?: number;
}

/** Source: kube-apiserver `--max-requests-inflight` and `--max-mutating-requests-inflight`. */
const readsMaxDefault = 400;
const writesMaxDefault = 200;
const waitingMaxDefault = 5_000;

const readVerbs: ReadonlySet<string> = new Set(['get', 'list']);

/** Places for requests of one kind. */
export class Lane {
  readonly #max: number;
  readonly #waitingMax: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number, waitingMax: number) {
    this.#max = max;
    this.#waitingMax = waitingMax;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes a place: at once, or when the promise resolves. Throws TooManyRequests. */
  enter(): Promise<void> | undefined {
    if (this.#taken < this.#max) {
      this.#taken++;
      return undefined;
    }
    if (this.#waiting.length >= this.#waitingMax) throw tooMany();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives the place back, or on to the one who has waited longest. */
  readonly leave = (): void => {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  };
}

/** The two lanes of one server: requests that read, and requests that write. */
export class InFlight {
  readonly #reads: Lane;
  readonly #writes: Lane;

  constructor(limits: ApiServerLimits) {
    const waitingMax = limits.waitingMax ?? waitingMaxDefault;
    this.#reads = new Lane(limits.readInFlightMax ?? readsMaxDefault, waitingMax);
    this.#writes = new Lane(limits.writeInFlightMax ?? writesMaxDefault, waitingMax);
  }

  /** How many are under way. */
  counts(): { readonly reads: number; readonly writes: number } {
    return { reads: this.#reads.taken, writes: this.#writes.taken };
  }

  /** Where a request that does not last has to take a place; undefined for those that need none. */
  laneOf(info: RequestInfo): Lane | undefined {
    if (!info.isResource) return undefined;
    return readVerbs.has(info.verb) ? this.#reads : this.#writes;
  }
}

function tooMany(): StatusError {
  return new StatusError({
    code: 429,
    reason: 'TooManyRequests',
    message: 'Too many requests, please try again later.',
    details: { retryAfterSeconds: 1 },
  });
}
