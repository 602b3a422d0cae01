/**
 * Chance as an argument. `SystemRandom` is the machine's; `SeededRandom` gives the same sequence for the same seed, so that
 * a failing simulated run replays exactly. Neither makes keys: those come from the platform's cryptography.
 */
import { getRandomValues, randomUUID } from 'node:crypto';

/** A source of chance. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A random (version 4) UUID in lower case. */
  uuid(): string;
}

/** The machine's random numbers. */
export class SystemRandom implements Random {
  readonly #buffer = new Uint32Array(256);
  #used = 256;

  next(): number {
    if (this.#used === this.#buffer.length) {
      getRandomValues(this.#buffer);
      this.#used = 0;
    }
    return this.#buffer[this.#used++]! / 2 ** 32;
  }

  uuid(): string {
    return randomUUID();
  }
}

/** A repeatable sequence. Source: sfc32, Chris Doty-Humphrey, PractRand. */
export class SeededRandom implements Random {
  #a = 0;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed` is any number; its integer and fractional bits both count. */
  constructor(seed: number) {
    const bits = new Uint32Array(new Float64Array([seed]).buffer);
    this.#b = bits[0]!;
    this.#c = bits[1]!;
    for (let i = 0; i < 12; i++) this.#word();
  }

  next(): number {
    return this.#word() / 2 ** 32;
  }

  uuid(): string {
    let hex = '';
    for (let i = 0; i < 4; i++) hex += this.#word().toString(16).padStart(8, '0');
    const variant = '89ab'[Number.parseInt(hex[16]!, 16) & 3]!;
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }
}

/** An integer in [0, `boundExclusive`). */
export function randomInt(random: Random, boundExclusive: number): number {
  return Math.floor(random.next() * boundExclusive);
}

/** `durationMs` made longer by up to `factor` of itself, so that many waiters do not wake together. */
export function jitter(random: Random, durationMs: number, factor: number): number {
  return durationMs * (1 + random.next() * factor);
}

/** Letters of generated names: no vowels, so no words; no 0, 1, 3, which look like letters. */
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** The random end of a generated name. Source: apimachinery `util/rand`. */
export function nameSuffix(random: Random, length = 5): string {
  let suffix = '';
  for (let i = 0; i < length; i++) suffix += nameAlphabet[randomInt(random, nameAlphabet.length)];
  return suffix;
}
