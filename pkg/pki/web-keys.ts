/**
 * Keys of others as a set in JSON (JWKS), and the check of a token against them. The algorithms are those that sign with a key pair; a key is used
 * with none but those of its kind, and with the one that it names, if it names one.
 * Source: RFC 7515, 7517, 7518.
 */
import { constants, createPublicKey, type KeyObject, verify, type webcrypto } from 'node:crypto';
import { readHeader } from './jwt.ts';

/** A key of a set. */
export interface WebKey {
  /** `''` where the set does not say. */
  readonly id: string;
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

interface Algorithm {
  readonly hash: string;
  readonly type: 'ec' | 'rsa';
  readonly curve?: string;
  readonly isPss?: true;
}

const algorithms: Readonly<Record<string, Algorithm>> = {
  RS256: { hash: 'sha256', type: 'rsa' },
  RS384: { hash: 'sha384', type: 'rsa' },
  RS512: { hash: 'sha512', type: 'rsa' },
  PS256: { hash: 'sha256', type: 'rsa', isPss: true },
  PS384: { hash: 'sha384', type: 'rsa', isPss: true },
  PS512: { hash: 'sha512', type: 'rsa', isPss: true },
  ES256: { hash: 'sha256', type: 'ec', curve: 'prime256v1' },
  ES384: { hash: 'sha384', type: 'ec', curve: 'secp384r1' },
  ES512: { hash: 'sha512', type: 'ec', curve: 'secp521r1' },
};

/** Most keys of a set that are looked at. */
const keysMax = 100;

/** The keys of a set that can check signatures; those of other kinds are left out. Throws for a text that is no set. */
export function readKeySet(text: string): readonly WebKey[] {
  const { keys }: { keys?: unknown } = JSON.parse(text);
  if (!Array.isArray(keys)) throw new Error('the answer is no set of keys');
  return keys.slice(0, keysMax).flatMap((one) => webKey(one) ?? []);
}

function webKey(
  given: webcrypto.JsonWebKey & { readonly kid?: unknown; readonly alg?: unknown; readonly use?: unknown },
) {
  const { kid, alg, use = 'sig' } = given ?? {};
  if (use !== 'sig') return undefined;
  try {
    const key = createPublicKey({ key: given, format: 'jwk' });
    const algorithm = typeof alg === 'string' ? alg : undefined;
    return { id: typeof kid === 'string' ? kid : '', algorithm, key } satisfies WebKey;
  } catch {
    return undefined;
  }
}

/** Whether one of the keys has signed the token. */
export function isSignedByOne(token: string, keys: readonly WebKey[]): boolean {
  const { alg, kid } = readHeader(token) ?? {};
  const name = typeof alg === 'string' ? alg : '';
  const algorithm = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined;
  if (algorithm === undefined) return false;
  const end = token.lastIndexOf('.');
  const text = Buffer.from(token.slice(0, end));
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  return keys.some(({ id, algorithm: own, key }) => {
    if (key.asymmetricKeyType !== algorithm.type || (own !== undefined && own !== name)) return false;
    if (typeof kid === 'string' && kid !== '' && id !== '' && id !== kid) return false;
    if (algorithm.curve !== undefined && key.asymmetricKeyDetails?.namedCurve !== algorithm.curve) return false;
    const how =
      algorithm.isPss === true
        ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : { key, dsaEncoding: 'ieee-p1363' as const };
    return verify(algorithm.hash, text, how, signature);
  });
}
