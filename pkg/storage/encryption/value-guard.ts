/**
 * How the values of some keys are made unreadable in a store, and read again: what `encrypted-store.ts` asks of whoever has the keys.
 *
 * Laws: `seal` decides at once, by what is known then. `open` reads what any of the providers sealed, at once unless somebody else has to be asked. The
 * mark of a value says by what it was sealed: one whose mark is not that of `seal` now is stale and is to be written anew.
 * Upstream counterpart: apiserver `storage/value` `Transformer`.
 */

/** A value that can be read. */
export interface OpenedValue {
  readonly plain: Uint8Array;
  /** By what it was sealed; `''` for what was not. */
  readonly mark: string;
}

/** A value that nobody can read. */
export interface SealedValue {
  readonly sealed: Uint8Array;
  readonly mark: string;
}

/** The rules of some keys. */
export interface ValueGuard {
  /** Throws an `Error` where it cannot be done now. */
  seal(plain: Uint8Array, place: string): SealedValue;
  /** Throws, or rejects with, an `Error` for what none of the providers can read. */
  open(sealed: Uint8Array, place: string): OpenedValue | Promise<OpenedValue>;
  /** That of what `seal` makes now; undefined while it cannot. */
  readonly mark: string | undefined;
}

/** One way of sealing, and the values that it reads. */
export interface ValueProvider {
  /** What the values that it made begin with, which `open` and `seal` do not see; `''` for values as they are. */
  readonly prefix: string;
  readonly guard: ValueGuard;
}

/** A value cannot be read, or not be made unreadable, by the configuration as it is. */
export class ValueGuardError extends Error {
  override readonly name = 'ValueGuardError';
}

/** What all sealed values begin with. */
const sealedPrefix = Buffer.from('k8s:enc:');

/** Whether a value was sealed by some provider: no object begins so. */
function isSealed(value: Uint8Array): boolean {
  return value[0] === sealedPrefix[0] && startsWith(value, sealedPrefix);
}

/** Whether bytes begin with those. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, at) => bytes[at] === byte);
}

/** Values as they are. Refuses to take for one what was sealed. */
export const identityGuard: ValueGuard = {
  mark: '',
  seal: (plain) => ({ sealed: plain, mark: '' }),
  open(sealed) {
    if (isSealed(sealed)) throw new Error('identity transformer tried to read encrypted data');
    return { plain: sealed, mark: '' };
  },
};
