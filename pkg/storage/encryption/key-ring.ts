/**
 * Providers in order: the first seals, all of them open, each the values that begin with its prefix. Several may have the same prefix, so one that fails leaves the
 * others their turn. A provider with several named keys is such a list itself.
 * Upstream counterpart: apiserver `storage/value` `NewPrefixTransformers`.
 */
import { createHash } from 'node:crypto';
import type { ValueCipher } from './ciphers.ts';
import { type OpenedValue, startsWith, type ValueGuard, type ValueProvider } from './value-guard.ts';

/** One key of a provider. */
export interface NamedKey {
  readonly name: string;
  readonly secret: Uint8Array;
}

/** The providers as one. `noMatch` is what is said of a value that begins as those of none. */
export function guardOf(providers: readonly ValueProvider[], noMatch: string): ValueGuard {
  const all = providers.map((provider) => ({ ...provider, bytes: Buffer.from(provider.prefix) }));
  const [first] = all;
  if (first === undefined) throw new Error('no provider is given');
  return {
    get mark() {
      const { mark } = first.guard;
      return mark === undefined ? undefined : first.prefix + mark;
    },
    seal(plain, place) {
      const { sealed, mark } = first.guard.seal(plain, place);
      if (first.prefix === '') return { sealed, mark };
      return { sealed: Buffer.concat([first.bytes, sealed]), mark: first.prefix + mark };
    },
    open: (sealed, place) => openByAny({ providers: all, noMatch, sealed, place }, []),
  };
}

interface Opening {
  /** Those that were not tried. */
  readonly providers: readonly (ValueProvider & { readonly bytes: Uint8Array })[];
  readonly noMatch: string;
  readonly sealed: Uint8Array;
  readonly place: string;
}

/** What the first provider that can read it reads. */
function openByAny(opening: Opening, failures: readonly unknown[]): OpenedValue | Promise<OpenedValue> {
  const { providers, sealed, place, noMatch } = opening;
  const failed = [...failures];
  for (const [index, { prefix, bytes, guard }] of providers.entries()) {
    if (!startsWith(sealed, bytes)) continue;
    try {
      // The very bytes, where nothing comes before them.
      const opened = guard.open(bytes.length === 0 ? sealed : sealed.subarray(bytes.length), place);
      if (!(opened instanceof Promise)) return marked(prefix, opened);
      return opened.then(
        (result) => marked(prefix, result),
        (error: unknown) => openByAny({ ...opening, providers: providers.slice(index + 1) }, [...failed, error]),
      );
    } catch (error) {
      // What is sealed is none of identity's business, which may come before the provider that sealed it.
      if (prefix !== '') failed.push(error);
    }
  }
  throw failureOf(failed, noMatch);
}

function marked(prefix: string, { plain, mark }: OpenedValue): OpenedValue {
  return { plain, mark: prefix + mark };
}

function failureOf(failures: readonly unknown[], noMatch: string): Error {
  const errors = failures.map((failure) => (failure instanceof Error ? failure : new Error(String(failure))));
  const [only] = errors;
  if (only === undefined) return new Error(noMatch);
  if (errors.length === 1) return only;
  return new Error(`[${[...new Set(errors.map(({ message }) => message))].join(', ')}]`, { cause: only });
}

/** A provider whose values have the name of their key after `prefix`. The first key seals. */
export function keyedProvider(
  prefix: string,
  keys: readonly NamedKey[],
  { cipher, noMatch }: { readonly cipher: (secret: Uint8Array) => ValueCipher; readonly noMatch: string },
): ValueProvider {
  const providers = keys.map(({ name, secret }) => ({
    prefix: `${name}:`,
    guard: cipherGuard(cipher(secret), secret),
  }));
  return { prefix, guard: guardOf(providers, noMatch) };
}

/** Of a key that is here: its mark tells it from another of the same name. */
function cipherGuard(cipher: ValueCipher, secret: Uint8Array): ValueGuard {
  const mark = createHash('sha256').update(secret).digest('hex');
  return {
    mark,
    seal: (plain, place) => ({ sealed: cipher.seal(plain, place), mark }),
    open: (sealed, place) => ({ plain: cipher.open(sealed, place), mark }),
  };
}
