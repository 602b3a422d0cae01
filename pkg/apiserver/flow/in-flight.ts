/**
 * The plain flow control: how many requests that read, and how many others, may be under way at once. What comes on top waits its turn, in order; when
 * too many wait, the next is told to come back later. Only requests for resources count. In use where priority and fairness is switched off.
 * Upstream counterpart: apiserver `server/filters/maxinflight.go`.
 */
import type { RequestInfo } from '../request-info.ts';
import type { UserInfo } from '../user-info.ts';
import type { Entering, Flow, FlowControl, Place, UnderWay } from './flow-control.ts';

/** How many requests are worked on at once, and how many wait. */
export interface ApiServerLimits {
  /** Requests that only read, in flight at once; long-running ones do not count. Default 400. */
  readonly readInFlightMax?: number;
  /** Requests that write, in flight at once. Default 200. */
  readonly writeInFlightMax?: number;
  /** Requests of each kind that wait for others to end. Default 5,000: a heartbeat of that many nodes at one instant. */
  readonly waitingMax?: number;
}

/** Source: kube-apiserver `--max-requests-inflight`. */
export const readsMaxDefault = 400;
/** Source: kube-apiserver `--max-mutating-requests-inflight`. */
export const writesMaxDefault = 200;
const waitingMaxDefault = 5_000;

const readVerbs: ReadonlySet<string> = new Set(['get', 'list']);

/** Places for requests of one kind. */
class Lane implements Flow, Place {
  readonly uids = undefined;
  readonly turn = undefined;
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

  /** Places are alike, so one stands for all that are taken at once. */
  enter(): Place | undefined {
    if (this.#taken < this.#max) {
      this.#taken++;
      return this;
    }
    if (this.#waiting.length >= this.#waitingMax) return undefined;
    return { turn: new Promise((resolve) => this.#waiting.push(() => resolve(true))), leave: this.leave };
  }

  /** Gives the place back, or on to the one who has waited longest. */
  readonly leave = (): void => {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  };
}

/** The two lanes of one server: requests that read, and requests that write; and one without an end for all else. */
export class InFlight implements FlowControl<Lane> {
  readonly #reads: Lane;
  readonly #writes: Lane;
  readonly #others = new Lane(Number.POSITIVE_INFINITY, 0);

  constructor(limits: ApiServerLimits) {
    const waitingMax = limits.waitingMax ?? waitingMaxDefault;
    this.#reads = new Lane(limits.readInFlightMax ?? readsMaxDefault, waitingMax);
    this.#writes = new Lane(limits.writeInFlightMax ?? writesMaxDefault, waitingMax);
  }

  underWay(): UnderWay {
    return { reads: this.#reads.taken, writes: this.#writes.taken };
  }

  flowOf(_user: UserInfo, { isResource, verb }: RequestInfo): Lane {
    if (!isResource || verb === 'watch') return this.#others;
    return readVerbs.has(verb) ? this.#reads : this.#writes;
  }

  enter(lane: Lane, _entering: Entering): Place | undefined {
    return lane.enter();
  }

  retryAfterSeconds(): number {
    return 1;
  }
}
