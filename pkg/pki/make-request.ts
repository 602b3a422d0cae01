/** Requests for certificates (PKCS #10), as whoever wants one makes them. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { parseIp } from '#pkg/apimachinery/ip.ts';
import { encodeName, extension } from './certificate.ts';
import { bitString, implicit, integer, oid, sequence, set } from './der.ts';
import type { Subject } from './pair.ts';

/** What a request asks for. */
export interface RequestOptions {
  readonly subject: Subject;
  readonly dnsNames?: readonly string[];
  /** IPv4. */
  readonly addresses?: readonly string[];
  readonly emails?: readonly string[];
  /** Whether the signature is of another key, which nobody is to believe. @internal */
  readonly signsWithOtherKey?: boolean;
}

/** A request in PEM and the key it is for, which is new, on P-256. Source: RFC 2986. */
export function makeRequest(options: RequestOptions): { readonly pem: string; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const names = [
    ...(options.dnsNames ?? []).map((name) => implicit(2, Buffer.from(name))),
    ...(options.emails ?? []).map((name) => implicit(1, Buffer.from(name))),
    ...(options.addresses ?? []).map((ip) => implicit(7, Buffer.from(parseIp(ip) ?? []))),
  ];
  const extensions = sequence(extension('2.5.29.17', sequence(...names)));
  const attribute = sequence(oid('1.2.840.113549.1.9.14'), set(extensions));
  const info = sequence(
    integer(Buffer.from([0])),
    encodeName(options.subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    // A list of attributes, of which the tag says that it holds others.
    Buffer.concat([Buffer.from([0xa0]), (names.length === 0 ? sequence() : sequence(attribute)).subarray(1)]),
  );
  const signature = sign('sha256', info, options.signsWithOtherKey === true ? other : privateKey);
  const der = sequence(info, sequence(oid('1.2.840.10045.4.3.2')), bitString(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
  return { pem, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
