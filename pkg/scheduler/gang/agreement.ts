/**
 * Holds the bindings of a gang back until so many of its pods were permitted that it may begin, or until it is clear that so many will not be. Laws: all that ask are
 * answered once each member has said something; who agreed is never told yes where fewer than `needed` agreed.
 */
import { Deferred } from '#pkg/base/async.ts';

/** The agreement of the members of one gang that were placed together. */
export class Agreement {
  readonly #needed: number;
  readonly #answer = new Deferred<boolean>();
  #undecided: number;
  #agreed = 0;

  constructor({ members, needed }: { readonly members: number; readonly needed: number }) {
    this.#undecided = members;
    this.#needed = needed;
    this.#settle();
  }

  /** One member was permitted; resolves to whether the gang may be bound. */
  agree(): Promise<boolean> {
    this.#undecided--;
    this.#agreed++;
    this.#settle();
    return this.#answer.promise;
  }

  /** One member was not. */
  refuse(): void {
    this.#undecided--;
    this.#settle();
  }

  #settle(): void {
    if (this.#agreed >= this.#needed) this.#answer.resolve(true);
    else if (this.#agreed + this.#undecided < this.#needed) this.#answer.resolve(false);
  }
}
