/** `describe` of certificate signing requests. Source: kubectl `describe/describe.go` `CertificateSigningRequestDescriber`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { digList, digMap, digNumber, digText } from './api.ts';
import { Description, longTime } from './describe-text.ts';
import { humanDuration } from './tables.ts';

/** What is said of a request: who asks whom for what, and what became of it. */
export async function describeRequest(object: JsonObject): Promise<Description> {
  const { parseCertificateRequest } = await import('#pkg/pki/certificate-request.ts');
  const pem = Buffer.from(digText(object, 'spec', 'request'), 'base64').toString('utf8');
  const request = parseCertificateRequest(pem);
  const out = new Description();
  out.field(0, 'Name', digText(object, 'metadata', 'name'));
  out.map(0, 'Labels', digMap(object, 'metadata', 'labels'));
  out.annotations(0, digMap(object, 'metadata', 'annotations'));
  out.field(0, 'CreationTimestamp', longTime(digText(object, 'metadata', 'creationTimestamp')));
  out.field(0, 'Requesting User', digText(object, 'spec', 'username'));
  out.field(0, 'Signer', digText(object, 'spec', 'signerName'));
  const seconds = digNumber(object, ['spec', 'expirationSeconds'], -1);
  if (seconds >= 0) out.field(0, 'Requested Duration', humanDuration(seconds * 1000));
  out.field(0, 'Status', statusOf(object));
  out.line(0, 'Subject:');
  out.line(0, `\tCommon Name:\t${request.commonName}`).line(0, '\tSerial Number:\t');
  if (request.organizations.length > 0) out.line(0, `\tOrganization:\t${request.organizations.join('\n\t\t')}`);
  const lists = [
    ['DNS Names', request.dnsNames],
    ['Email Addresses', request.emails],
    ['URIs', request.uris],
    ['IP Addresses', request.addresses],
  ] as const;
  if (lists.some(([, names]) => names.length > 0)) out.line(0, 'Subject Alternative Names:');
  for (const [label, names] of lists) if (names.length > 0) out.line(0, `\t${label}:\t${names.join('\n\t\t')}`);
  return out;
}

/** As the table of the server has it. */
function statusOf(object: JsonObject): string {
  const types = digList(object, 'status', 'conditions').map((condition) => digText(condition, 'type'));
  const words = ['Denied', 'Approved', 'Failed'].filter((type) => types.includes(type));
  const said = words.length === 0 ? ['Pending'] : words;
  return [...said, ...(digText(object, 'status', 'certificate') === '' ? [] : ['Issued'])].join(',');
}
