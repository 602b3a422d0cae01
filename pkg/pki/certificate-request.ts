/**
 * Reading requests for certificates: who asks, for which names and addresses, with which key, and whether that key has signed the request.
 * Source: RFC 2986; RFC 5280 section 4.2.1.6 for alternative names.
 */

import { createPublicKey, verify } from 'node:crypto';
import { errorText } from '#pkg/base/error-text.ts';
import { type DerValue, expectTag, readDer, readItems, readOid, readText } from './der-reader.ts';

/** What a request asks for. That its signature holds was checked. */
export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  readonly uris: readonly string[];
  /** As bytes in hex, four or sixteen. */
  readonly addresses: readonly string[];
  /** DER of the subject, of the key, and of each alternative name of these four kinds. */
  readonly subject: Buffer;
  readonly publicInfo: Buffer;
  readonly alternativeNames: readonly Buffer[];
  /** Whether it is signed with the key that it asks a certificate for. */
  readonly isSigned: boolean;
}

/** What is no request, or none that can be read. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError';
}

const ids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  extensionRequest: '1.2.840.113549.1.9.14',
  subjectAltName: '2.5.29.17',
};

/** Tags of alternative names. */
const nameTags = { emails: 0x81, dnsNames: 0x82, uris: 0x86, addresses: 0x87 } as const;

/** Hashes of signatures; null where the algorithm has its own. */
const hashes: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.5', 'sha1'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', 'sha1'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
]);

/** Reads the first request of a PEM text. Throws `CertificateRequestError`. */
export function parseCertificateRequest(pem: string): CertificateRequest {
  const block = /-----BEGIN CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE REQUEST-----/.exec(pem);
  if (block === null) throw new CertificateRequestError('PEM block type must be CERTIFICATE REQUEST');
  try {
    return readRequest(Buffer.from(block[1] ?? '', 'base64'));
  } catch (error) {
    throw new CertificateRequestError(`the request cannot be read: ${errorText(error)}`, { cause: error });
  }
}

function readRequest(der: Buffer): CertificateRequest {
  const [info, algorithm, signature] = readItems(expectTag(readDer(der), 0x30).content);
  const [version, subject, publicInfo, attributes] = readItems(expectTag(info, 0x30).content);
  expectTag(version, 0x02);
  const names = namesOf(expectTag(subject, 0x30));
  const alternatives = alternativeNames(attributes);
  const texts = (tag: number): readonly string[] =>
    alternatives.filter((name) => name.tag === tag).map(({ content }) => content.toString('latin1'));
  return {
    commonName: names.get(ids.commonName)?.at(-1) ?? '',
    organizations: names.get(ids.organization) ?? [],
    dnsNames: texts(nameTags.dnsNames),
    emails: texts(nameTags.emails),
    uris: texts(nameTags.uris),
    addresses: alternatives
      .filter(({ tag }) => tag === nameTags.addresses)
      .map(({ content }) => content.toString('hex')),
    subject: Buffer.from(subject!.whole),
    publicInfo: Buffer.from(expectTag(publicInfo, 0x30).whole),
    alternativeNames: alternatives
      .filter(({ tag }) => Object.values(nameTags).some((known) => known === tag))
      .map(({ whole }) => Buffer.from(whole)),
    isSigned: isSignedBy(publicInfo!.whole, { signed: info!.whole, algorithm, signature }),
  };
}

/** Texts of the subject by their identifiers. */
function namesOf(subject: DerValue): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  for (const set of readItems(subject.content)) {
    for (const pair of readItems(expectTag(set, 0x31).content)) {
      const [id, value] = readItems(expectTag(pair, 0x30).content);
      if (value === undefined) continue;
      const key = readOid(id);
      names.set(key, [...(names.get(key) ?? []), readText(value)]);
    }
  }
  return names;
}

/** The alternative names that the request asks for among its extensions. */
function alternativeNames(attributes: DerValue | undefined): readonly DerValue[] {
  if (attributes?.tag !== 0xa0) return [];
  for (const attribute of readItems(attributes.content)) {
    const [id, values] = readItems(expectTag(attribute, 0x30).content);
    if (readOid(id) !== ids.extensionRequest) continue;
    for (const list of readItems(expectTag(values, 0x31).content)) {
      for (const one of readItems(expectTag(list, 0x30).content)) {
        const parts = readItems(expectTag(one, 0x30).content);
        if (readOid(parts[0]) !== ids.subjectAltName) continue;
        return readItems(expectTag(readDer(expectTag(parts.at(-1), 0x04).content), 0x30).content);
      }
    }
  }
  return [];
}

function isSignedBy(
  publicInfo: Buffer,
  {
    signed,
    algorithm,
    signature,
  }: { readonly signed: Buffer; readonly algorithm: DerValue | undefined; readonly signature: DerValue | undefined },
): boolean {
  const hash = hashes.get(readOid(readItems(expectTag(algorithm, 0x30).content)[0]));
  if (hash === undefined) return false;
  const { content } = expectTag(signature, 0x03);
  try {
    const key = createPublicKey({ key: publicInfo, format: 'der', type: 'spki' });
    // The first byte says how many bits of the last do not count, which are none.
    return verify(hash, signed, key, content.subarray(1));
  } catch {
    return false;
  }
}
