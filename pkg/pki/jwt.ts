/**
 * JSON Web Tokens: signed and checked with RS256, ES256, ES384 and ES512, in their compact form. Knows no claims but those that it is given.
 * Source: RFC 7515, 7517, 7518, 7519.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

type Algorithm = 'ES256' | 'ES384' | 'ES512' | 'RS256';

const hashes: Readonly<Record<Algorithm, string>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  RS256: 'sha256',
};
const curves: Readonly<Record<string, Algorithm | undefined>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** A key that checks signatures. */
export interface VerifyingKey {
  /** Base64url of the SHA-256 of the key. */
  readonly id: string;
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
}

/** A key that signs. */
export interface SigningKey {
  readonly verifying: VerifyingKey;
  readonly key: KeyObject;
}

/** What a token says, by the names of its claims. */
export type Claims = Readonly<Record<string, unknown>>;

/** Most bytes of a token that is looked at: far more than one with all claims has. */
const tokenBytesMax = 16_384;

/** A key from PEM, of which the private half or the public one may be there. Throws for a kind of key that signs no tokens. */
export function verifyingKey(pem: string): VerifyingKey {
  const key = createPublicKey(pem);
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const algorithm = key.asymmetricKeyType === 'rsa' ? 'RS256' : curves[curve];
  if (algorithm === undefined)
    throw new Error(
      `Cannot sign tokens with this key as it is neither RSA nor on a curve of ES256, ES384 or ES512: ${curve || key.asymmetricKeyType}`,
    );
  const id = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { id, algorithm, key };
}

/** A key from the PEM of its private half. */
export function signingKey(pem: string): SigningKey {
  return { verifying: verifyingKey(pem), key: createPrivateKey(pem) };
}

/** A token with these claims. */
export function signJwt({ verifying: { algorithm, id }, key }: SigningKey, claims: Claims): string {
  const text = `${encoded({ alg: algorithm, kid: id })}.${encoded(claims)}`;
  const signature = sign(hashes[algorithm], Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** What a token claims, without a look at its signature; undefined for what is no token. */
export function readClaims(token: string): Claims | undefined {
  if (token.length > tokenBytesMax) return undefined;
  const parts = token.split('.');
  const [, claims = ''] = parts;
  return parts.length === 3 ? decoded(claims) : undefined;
}

/** The header of a token, which nobody may have signed; undefined for what is no token. */
export function readHeader(token: string): Claims | undefined {
  return decoded(token.slice(0, Math.max(0, token.indexOf('.'))));
}

/** Whether one of the keys has signed the token, with the algorithm of that key, whatever the token says of it. */
export function isSigned(token: string, keys: readonly VerifyingKey[]): boolean {
  const end = token.lastIndexOf('.');
  const header = readHeader(token);
  if (header === undefined) return false;
  const text = Buffer.from(token.slice(0, end));
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  return keys.some(
    ({ id, algorithm, key }) =>
      header.alg === algorithm &&
      (header.kid === undefined || header.kid === id) &&
      verify(hashes[algorithm], text, { key, dsaEncoding: 'ieee-p1363' }, signature),
  );
}

/** The public keys as a set that others can read. Source: RFC 7517. */
export function keySet(keys: readonly VerifyingKey[]): object {
  return {
    keys: keys.map(({ id, algorithm, key }) => ({
      use: 'sig',
      ...key.export({ format: 'jwk' }),
      kid: id,
      alg: algorithm,
    })),
  };
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decoded(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}
