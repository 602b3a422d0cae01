/**
 * Room for the bodies of all requests of a server together. Who finds none waits in order, unread; a client whose own share is taken is passed
 * over by others, so that one client can take neither all the room nor all of the line. Small bodies have a room of their own, in which nobody is
 * asked for a name; who finds that full is treated as a large one is. Invariants: what is taken is given back once; a body larger than the limit or
 * its share goes alone rather than never.
 * Upstream counterpart: none; upstream bounds requests alone (`server/filters/maxinflight.go`).
 */
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { ServingLimits } from './limits.ts';

interface Waiter {
  readonly client: string;
  readonly bytes: number;
  readonly untilMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

type BudgetLimits = Pick<
  ServingLimits,
  'bodiesBytesMax' | 'shareBytesMax' | 'smallBodiesBytesMax' | 'waitingMax' | 'waitMs'
>;

/** The room of one server for the bodies of its requests. */
export class BodyBudget {
  readonly #limits: BudgetLimits;
  #taken = 0;
  #smallTaken = 0;
  readonly #shares = new Map<string, number>();
  /** In order of arrival. */
  readonly #waiting = new Set<Waiter>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  get takenBytes(): number {
    return this.#taken;
  }

  get smallTakenBytes(): number {
    return this.#smallTaken;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes room: at once, or when the promise resolves. Throws or rejects with TooManyRequests where too many wait, or it takes too long; rejects
   * with the signal's reason when its client has gone.
   */
  take(
    client: string,
    bytes: number,
    { nowMs, signal }: { nowMs: number; signal: () => AbortSignal },
  ): Promise<void> | undefined {
    if (this.#fits(client, bytes) && !this.#isSomebodyNext()) {
      this.#add(client, bytes);
      return undefined;
    }
    if (!this.#mayWait(client)) throw noRoom();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { client, bytes, untilMs: nowMs + this.#limits.waitMs, resolve, reject };
      this.#waiting.add(waiter);
      // Who has left is not heard of again.
      signal().addEventListener('abort', () => {
        if (this.#waiting.delete(waiter)) reject(signal().reason as Error);
      });
    });
  }

  /** Takes room among the small bodies, at once; false when there is none. */
  takeSmall(bytes: number): boolean {
    if (this.#smallTaken + bytes > this.#limits.smallBodiesBytesMax) return false;
    this.#smallTaken += bytes;
    return true;
  }

  giveSmall(bytes: number): void {
    this.#smallTaken -= bytes;
  }

  /** Whether room that comes free is promised already: to the first who waits for it and not for a share of its own. */
  #isSomebodyNext(): boolean {
    for (const { client, bytes } of this.#waiting) if (this.#fitsShare(client, bytes)) return true;
    return false;
  }

  /** One client has half of the line at most. */
  #mayWait(client: string): boolean {
    const { waitingMax } = this.#limits;
    if (this.#waiting.size >= waitingMax) return false;
    let own = 0;
    for (const waiter of this.#waiting) if (waiter.client === client) own++;
    return own < Math.ceil(waitingMax / 2);
  }

  /** Takes more for a body that is being read, or says that there is no room. */
  grow(client: string, bytes: number): boolean {
    if (!this.#fits(client, bytes)) return false;
    this.#add(client, bytes);
    return true;
  }

  give(client: string, bytes: number): void {
    this.#taken -= bytes;
    const share = (this.#shares.get(client) ?? 0) - bytes;
    if (share > 0) this.#shares.set(client, share);
    else this.#shares.delete(client);
    this.#admit();
  }

  /** Refuses those who have waited too long. To be called every second or so. */
  sweep(nowMs: number): void {
    for (const waiter of this.#waiting) {
      if (waiter.untilMs > nowMs) return;
      this.#waiting.delete(waiter);
      waiter.reject(noRoom());
    }
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      const { client, bytes } = waiter;
      if (!this.#fitsAll(bytes)) return;
      if (!this.#fitsShare(client, bytes)) continue;
      this.#waiting.delete(waiter);
      this.#add(client, bytes);
      waiter.resolve();
    }
  }

  #fits(client: string, bytes: number): boolean {
    return this.#fitsAll(bytes) && this.#fitsShare(client, bytes);
  }

  #fitsAll(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#limits.bodiesBytesMax;
  }

  #fitsShare(client: string, bytes: number): boolean {
    const share = this.#shares.get(client) ?? 0;
    return share === 0 || share + bytes <= this.#limits.shareBytesMax;
  }

  #add(client: string, bytes: number): void {
    this.#taken += bytes;
    this.#shares.set(client, (this.#shares.get(client) ?? 0) + bytes);
  }
}

/** What a request gets for whose body there is no room. Source: apiserver `server/filters` `tooManyRequests`. */
export function noRoom(): StatusError {
  return new StatusError({
    code: 429,
    reason: 'TooManyRequests',
    message: 'Too many requests, please try again later.',
    details: { retryAfterSeconds: 1 },
  });
}
