/**
 * Certificates for requests: the names and the key that were asked for, the usages and the time that the signer allows, and no other extension of the
 * request. Source: upstream `pkg/controller/certificates/authority`; RFC 5280 section 4.2.1.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { authorityKeyExtension, encodeCertificate, extension, issuerName } from './certificate.ts';
import type { CertificateRequest } from './certificate-request.ts';
import { bitString, oid, sequence } from './der.ts';
import type { CertificatePair } from './pair.ts';

/** What the signer allows: until when, and what for. */
export interface SigningOptions {
  readonly nowMs: number;
  readonly ttlMs: number;
  /** As the certificates API names them: `client auth`, `digital signature`. */
  readonly usages: readonly string[];
}

/** A request that is not signed, with the reason as its message. */
export class SigningError extends Error {
  override readonly name = 'SigningError';
}

/** Certificates begin in the past by this much, for machines whose clocks differ. Source: upstream's signer. */
const backdateMs = 300_000;
/** Shorter ones do not end earlier by as much. */
const shortMs = 8 * 3_600_000;

/** Bits of the key usage, from the first. */
const keyUsages: readonly (readonly string[])[] = [
  ['digital signature', 'signing'],
  ['content commitment'],
  ['key encipherment'],
  ['data encipherment'],
  ['key agreement'],
  ['cert sign'],
  ['crl sign'],
  ['encipher only'],
  ['decipher only'],
];

/** In the order in which Go writes them. */
const extendedUsages: ReadonlyMap<string, string> = new Map([
  ['any', '2.5.29.37.0'],
  ['server auth', '1.3.6.1.5.5.7.3.1'],
  ['client auth', '1.3.6.1.5.5.7.3.2'],
  ['code signing', '1.3.6.1.5.5.7.3.3'],
  ['email protection', '1.3.6.1.5.5.7.3.4'],
  ['s/mime', '1.3.6.1.5.5.7.3.4'],
  ['ipsec end system', '1.3.6.1.5.5.7.3.5'],
  ['ipsec tunnel', '1.3.6.1.5.5.7.3.6'],
  ['ipsec user', '1.3.6.1.5.5.7.3.7'],
  ['timestamping', '1.3.6.1.5.5.7.3.8'],
  ['ocsp signing', '1.3.6.1.5.5.7.3.9'],
  ['microsoft sgc', '1.3.6.1.4.1.311.10.3.3'],
  ['netscape sgc', '2.16.840.1.113730.4.1'],
]);

const ids = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
};

/** The certificate in PEM. Throws `SigningError`. */
export function signRequest(authority: CertificatePair, request: CertificateRequest, options: SigningOptions): string {
  if (!request.isSigned) throw new SigningError('unable to verify certificate request signature');
  const issuer = new X509Certificate(authority.certificate);
  const times = validity(options, Date.parse(issuer.validTo));
  const { alternativeNames, commonName, organizations } = request;
  const isNameless = commonName === '' && organizations.length === 0;
  const extensions = [
    ...usageExtensions(options.usages),
    extension(ids.basicConstraints, sequence(), true),
    authorityKeyExtension(issuer),
    ...(alternativeNames.length === 0
      ? []
      : [extension(ids.subjectAltName, sequence(...alternativeNames), isNameless)]),
  ];
  return encodeCertificate(
    { ...times, issuer: issuerName(issuer), name: request.subject, publicInfo: request.publicInfo, extensions },
    createPrivateKey(authority.key),
  );
}

/** Never longer than the authority's own. */
function validity(
  { nowMs, ttlMs }: SigningOptions,
  authorityEndMs: number,
): { notBeforeMs: number; notAfterMs: number } {
  if (nowMs >= authorityEndMs) {
    const end = new Date(authorityEndMs).toISOString();
    throw new SigningError(`refusing to sign a certificate as the signer has expired: NotAfter=${end}`);
  }
  const wantedMs = ttlMs < shortMs ? nowMs + ttlMs : nowMs + ttlMs - backdateMs;
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: Math.min(wantedMs, authorityEndMs) };
}

function usageExtensions(usages: readonly string[]): readonly Buffer[] {
  const bits = keyUsages.flatMap((names, bit) => (names.some((name) => usages.includes(name)) ? [bit] : []));
  const extended = new Set([...extendedUsages].filter(([name]) => usages.includes(name)).map(([, id]) => id));
  return [
    ...(bits.length === 0 ? [] : [extension(ids.keyUsage, usageBits(bits), true)]),
    ...(extended.size === 0 ? [] : [extension(ids.extendedKeyUsage, sequence(...[...extended].map(oid)))]),
  ];
}

/** As few bytes as hold the last bit. */
function usageBits(bits: readonly number[]): Buffer {
  const last = Math.max(...bits);
  const bytes = Buffer.alloc((last >> 3) + 1);
  for (const bit of bits) bytes[bit >> 3] = bytes[bit >> 3]! | (0x80 >> (bit & 7));
  return bitString(bytes, 7 - (last & 7));
}
