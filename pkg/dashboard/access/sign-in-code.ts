/**
 * The code by which the person at the terminal signs in with the kubeconfig's own credentials: whoever else reaches the port has not seen it. Laws: a
 * code counts once; after `triesMax` wrong ones it counts no more; in both cases there is a new one at once, and `onCode` is told.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';

/** Letters and digits that nobody takes for one another; 32 of them, so that a byte modulo their number is fair. */
const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** 50 bits: with few tries nobody guesses it. */
const codeChars = 10;
const triesMax = 5;

/** The present code. */
export class SignInCode {
  readonly #onCode: (code: string) => void;
  readonly #random: (bytes: number) => Uint8Array;
  #code = '';
  #tries = 0;

  /** `onCode` is told of the first code, too. `random` gives bytes for keys; default: the platform's. */
  constructor(onCode: (code: string) => void, random: (bytes: number) => Uint8Array = randomBytes) {
    this.#onCode = onCode;
    this.#random = random;
    this.#renew();
  }

  /** Whether this is the code, written with or without its dash, in either case. It does not count again. */
  take(text: string): boolean {
    const given = Buffer.from(text.toUpperCase().replaceAll(/[\s-]/g, ''));
    const wanted = Buffer.from(this.#code);
    const isRight = given.length === wanted.length && timingSafeEqual(given, wanted);
    if (!isRight) this.#tries++;
    if (isRight || this.#tries >= triesMax) this.#renew();
    return isRight;
  }

  #renew(): void {
    this.#tries = 0;
    const chars = [...this.#random(codeChars)].map((byte) => alphabet[byte % alphabet.length]);
    this.#code = chars.join('');
    this.#onCode(`${this.#code.slice(0, 5)}-${this.#code.slice(5)}`);
  }
}
