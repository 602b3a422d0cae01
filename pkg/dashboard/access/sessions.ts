/**
 * Who is signed in. A session is a random name in a cookie and, on this side alone, what it stands for: the page never sees credentials. Laws: a session
 * ends `idleMs` after its last use, `lastsMs` after its begin, when it is signed out, and when its credentials are no longer taken; its `signal` is then
 * aborted with the reason as text, and what it stood for is given to `onEnd`, once. There are at most `sessionsMax`: the one that was used longest ago
 * makes room.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock, Timer } from '#pkg/base/clock.ts';

/** One session. */
export interface Session<T> {
  readonly holder: T;
  /** Aborted at its end, with the reason as text. */
  readonly signal: AbortSignal;
}

/** By which clock, for how long, and who is told of an end. */
export interface SessionsOptions<T> {
  readonly clock: Clock;
  readonly onEnd: (holder: T) => void;
  /** Default one hour. */
  readonly idleMs?: number;
  /** Default twelve hours: a day of work. */
  readonly lastsMs?: number;
  /** Gives bytes for keys; default: the platform's. */
  readonly random?: (bytes: number) => Uint8Array;
}

/** What is said of a session that has ended. */
export const sessionEnds = {
  idle: 'the session has expired as it was not used for too long: sign in again',
  old: 'the session has expired: sign in again',
  signedOut: 'you have signed out',
  refused: 'the API server no longer takes the credentials of this session: sign in again',
  crowded: 'the session has ended as too many others began: sign in again',
} as const;

/** A person has a few browsers; whoever signs in by a script has no need for more. */
const sessionsMax = 64;
const keyBytes = 32;

interface Kept<T> {
  readonly session: Session<T>;
  readonly controller: AbortController;
  readonly endMs: number;
  usedMs: number;
  timer: Timer | undefined;
}

/** The sessions of one server, by the hashes of their names. */
export class Sessions<T> {
  readonly #options: Required<SessionsOptions<T>>;
  readonly #kept = new Map<string, Kept<T>>();

  constructor(options: SessionsOptions<T>) {
    this.#options = { idleMs: 3_600_000, lastsMs: 12 * 3_600_000, random: randomBytes, ...options };
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Begins a session; gives its name, for the cookie. */
  begin(holder: T): string {
    if (this.#kept.size >= sessionsMax) this.#makeRoom();
    const name = Buffer.from(this.#options.random(keyBytes)).toString('base64url');
    const controller = new AbortController();
    const nowMs = this.#options.clock.monotonicMs();
    const endMs = nowMs + this.#options.lastsMs;
    const session: Session<T> = { holder, signal: controller.signal };
    const kept: Kept<T> = { session, controller, endMs, usedMs: nowMs, timer: undefined };
    const key = keyOf(name);
    this.#kept.set(key, kept);
    this.#watch(key, kept);
    return name;
  }

  /** The session of a name, which counts as a use of it. */
  find(name: string | undefined): Session<T> | undefined {
    const kept = name === undefined ? undefined : this.#kept.get(keyOf(name));
    if (kept === undefined) return undefined;
    kept.usedMs = this.#options.clock.monotonicMs();
    return kept.session;
  }

  /** Ends a session for a reason of `sessionEnds`; does nothing for one that has ended. */
  end(session: Session<T>, reason: string): void {
    for (const [key, kept] of this.#kept) if (kept.session === session) this.#end(key, kept, reason);
  }

  /** Ends all sessions of one holder. */
  endAll(holder: T, reason: string): void {
    for (const [key, kept] of this.#kept) if (kept.session.holder === holder) this.#end(key, kept, reason);
  }

  /** Ends all. */
  close(): void {
    for (const [key, kept] of this.#kept) this.#end(key, kept, sessionEnds.signedOut);
  }

  #watch(key: string, kept: Kept<T>): void {
    const { clock, idleMs } = this.#options;
    const dueMs = Math.min(kept.endMs, kept.usedMs + idleMs);
    const leftMs = dueMs - clock.monotonicMs();
    if (leftMs <= 0) {
      this.#end(key, kept, dueMs === kept.endMs ? sessionEnds.old : sessionEnds.idle);
      return;
    }
    kept.timer = clock.setTimeout(() => this.#watch(key, kept), leftMs);
  }

  #end(key: string, { session, controller, timer }: Kept<T>, reason: string): void {
    if (!this.#kept.delete(key)) return;
    timer?.cancel();
    controller.abort(reason);
    this.#options.onEnd(session.holder);
  }

  #makeRoom(): void {
    const [oldest] = [...this.#kept].sort(([, a], [, b]) => a.usedMs - b.usedMs);
    if (oldest !== undefined) this.#end(...oldest, sessionEnds.crowded);
  }
}

/** A look at the memory of this process, or at how long a comparison takes, tells no name. */
function keyOf(name: string): string {
  return createHash('sha256').update(name).digest('base64');
}
