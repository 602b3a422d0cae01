/**
 * X.509 version 3 certificates on P-256 keys: a certificate authority, and the server and client certificates it signs. Only issuing
 * is here; Node itself reads and verifies. Synchronous: a key and its certificate take less than a millisecond.
 * Source: RFC 5280 sections 4.1 and 4.2, RFC 5758 section 3.2.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { parseIp } from '#pkg/apimachinery/ip.ts';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';
import type { CertificatePair, Subject } from './pair.ts';

/** Whom a certificate is for, and from when for how long. */
export interface IssueOptions {
  readonly subject: Subject;
  readonly nowMs: number;
  readonly validDays: number;
}

/** What a certificate below the authority says beside. */
export interface LeafOptions extends IssueOptions {
  /** `peer` is both: members of an etcd call each other with what they answer with. */
  readonly usage: 'client' | 'peer' | 'server';
  /** Names and addresses a server is reached at. */
  readonly hosts?: readonly string[];
}

const dayMs = 86_400_000;
/** Certificates begin in the past by this much, for machines whose clocks differ. */
const backdateMs = 300_000;

const ids = {
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectKeyId: '2.5.29.14',
  authorityKeyId: '2.5.29.35',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

const usages: Readonly<Record<LeafOptions['usage'], readonly string[]>> = {
  client: [ids.clientAuth],
  peer: [ids.serverAuth, ids.clientAuth],
  server: [ids.serverAuth],
};

/** A new authority: a self-signed certificate that may sign others. */
export function issueAuthority(options: IssueOptions): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicInfo = publicKey.export({ type: 'spki', format: 'der' });
  const name = encodeName(options.subject);
  const extensions = [
    extension(ids.basicConstraints, sequence(boolean(true)), true),
    // digitalSignature, keyEncipherment, keyCertSign
    extension(ids.keyUsage, bitString(Buffer.from([0b1010_0100]), 2), true),
    extension(ids.subjectKeyId, octetString(keyId(publicInfo))),
  ];
  const certificate = encodeCertificate(
    { ...validity(options), issuer: name, name, publicInfo, extensions },
    privateKey,
  );
  return { certificate, key: pem('PRIVATE KEY', privateKey.export({ type: 'pkcs8', format: 'der' })) };
}

/** A certificate for one server or client, signed by `authority`. */
export function issueLeaf(authority: CertificatePair, options: LeafOptions): CertificatePair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = createPrivateKey(authority.key);
  const issuerDer = new X509Certificate(authority.certificate);
  const publicInfo = publicKey.export({ type: 'spki', format: 'der' });
  const extensions = [
    extension(ids.keyUsage, bitString(Buffer.from([0b1010_0000]), 5), true),
    extension(ids.extendedKeyUsage, sequence(...usages[options.usage].map(oid))),
    extension(ids.basicConstraints, sequence(), true),
    authorityKeyExtension(issuerDer),
    ...(options.hosts === undefined
      ? []
      : [extension(ids.subjectAltName, sequence(...options.hosts.map(alternativeName)))]),
  ];
  const issuer = issuerName(issuerDer);
  const name = encodeName(options.subject);
  const certificate = encodeCertificate({ ...validity(options), issuer, name, publicInfo, extensions }, signer);
  return { certificate, key: pem('PRIVATE KEY', privateKey.export({ type: 'pkcs8', format: 'der' })) };
}

/** The common name and organizations of a certificate, as transports vouch for them. */
export function subjectOf(certificate: { readonly subject?: string }): Subject {
  const organizations: string[] = [];
  let commonName = '';
  for (const line of certificate.subject?.split('\n') ?? []) {
    const equals = line.indexOf('=');
    const value = line.slice(equals + 1).replaceAll(/\\(.)/g, '$1');
    if (line.startsWith('O=')) organizations.push(value);
    else if (line.startsWith('CN=')) commonName = value;
  }
  return { commonName, organizations };
}

/** All that a certificate says. Buffers are DER. */
export interface CertificateBody {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly issuer: Buffer;
  readonly name: Buffer;
  readonly publicInfo: Buffer;
  readonly extensions: readonly Buffer[];
}

function validity({ nowMs, validDays }: IssueOptions): Pick<CertificateBody, 'notAfterMs' | 'notBeforeMs'> {
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: nowMs + validDays * dayMs };
}

/** A certificate in PEM, signed with a key on P-256. */
export function encodeCertificate(body: CertificateBody, signer: KeyObject): string {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x01;
  const algorithm = sequence(oid(ids.ecdsaWithSha256));
  const toSign = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serial),
    algorithm,
    body.issuer,
    sequence(time(body.notBeforeMs), time(body.notAfterMs)),
    body.name,
    body.publicInfo,
    explicit(3, sequence(...body.extensions)),
  );
  const signature = sign('sha256', toSign, signer);
  return pem('CERTIFICATE', sequence(toSign, algorithm, bitString(signature)));
}

/** The name of an authority, as the certificates that it signs give it. */
export function issuerName(authority: X509Certificate): Buffer {
  return encodeName(subjectOf(authority));
}

/** What says which of the authority's keys has signed. */
export function authorityKeyExtension(authority: X509Certificate): Buffer {
  const key = keyId(authority.publicKey.export({ type: 'spki', format: 'der' }));
  return extension(ids.authorityKeyId, sequence(implicit(0, key)));
}

/** DER of a name. */
export function encodeName(subject: Subject): Buffer {
  const part = (id: string, value: string): Buffer => set(sequence(oid(id), utf8String(value)));
  return sequence(
    ...(subject.organizations ?? []).map((organization) => part(ids.organization, organization)),
    part(ids.commonName, subject.commonName),
  );
}

/** One extension: its identifier in dotted form, and the DER of its value. */
export function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

function alternativeName(host: string): Buffer {
  const address = parseIp(host);
  return address === undefined ? implicit(2, Buffer.from(host, 'ascii')) : implicit(7, Buffer.from(address));
}

/** Identifies a key: the hash of its bits. Source: RFC 5280 section 4.2.1.2, method 1 over the whole key information. */
function keyId(publicInfo: Buffer): Buffer {
  return createHash('sha1').update(publicInfo).digest();
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
