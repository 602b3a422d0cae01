/** Rules for certificate signing requests. Source: upstream `pkg/apis/certificates/validation`. */

import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#pkg/api/types/certificates-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  notSupported,
  pathsOf,
  required,
  tooLong,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems, type Problems } from '#pkg/apimachinery/names.ts';
import { semanticallySame } from '../draft.ts';
import { Collector } from '../validation/collector.ts';

const field = pathsOf<CertificateSigningRequest>();

const expirationSecondsMin = 600;
const signerHostMax = 253;
const signerNameMax = 571;
const legacySigner = 'kubernetes.io/legacy-unknown';

const usages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];

const approvals = ['Approved', 'Denied'];
const lastingConditions = [...approvals, 'Failed'];
const conditionsPath = field('status.conditions');

/** The kinds of the PEM blocks in base64 text. */
function pemKinds(base64: string): readonly string[] {
  const text = Buffer.from(base64, 'base64').toString('latin1');
  return [...text.matchAll(/^-----BEGIN ([^-]+)-----$[\s\S]*?^-----END \1-----$/gm)].map((match) => match[1]!);
}

function checkSigner(into: Collector, signer: string, path: FieldPath): void {
  if (!into.needsText(path, signer)) return;
  if (signer === legacySigner) {
    into.add(invalid(path, signer, 'the legacy signerName is not allowed via this API version'));
    return;
  }
  const [host, name, ...rest] = signer.split('/');
  if (host === undefined || name === undefined || rest.length > 0) {
    const form = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    into.add(invalid(path, signer, form));
    return;
  }
  if (host.length > signerHostMax) into.add(tooLong(path, signerHostMax));
  checkLabels(into, host, path, dns1123LabelProblems);
  if (!host.includes('.')) {
    into.add(invalid(path, host, 'should be a domain with at least two segments separated by dots'));
  }
  checkLabels(into, name, path, dns1123SubdomainProblems);
  if (signer.length > signerNameMax) into.add(tooLong(path, signerNameMax));
}

/** Refuses a dotted text for the first of its labels that breaks a rule. */
function checkLabels(into: Collector, text: string, path: FieldPath, rule: (label: string) => Problems): void {
  const wrong = text.split('.').find((label) => rule(label).length > 0);
  if (wrong === undefined) return;
  for (const problem of rule(wrong)) into.add(invalid(path, text, `validating label "${wrong}": ${problem}`));
}

function checkUsages(into: Collector, given: readonly string[]): void {
  const path = field('spec.usages');
  if (given.length === 0) into.add(required(path));
  for (const [index, usage] of given.entries()) into.oneOf(at(path, index), usage, usages);
  for (const [index, usage] of given.entries()) {
    if (given.indexOf(usage) < index) into.add(duplicate(at(path, index), usage));
  }
}

function checkConditions(into: Collector, conditions: readonly Given<CertificateSigningRequestCondition>[]): void {
  const types = conditions.map((condition) => condition.type ?? '');
  for (const [index, condition] of conditions.entries()) {
    const path = at(conditionsPath, index);
    const type = types[index]!;
    const earlier = types.slice(0, index);
    into.needsText(child(path, 'type'), type);
    const statuses = lastingConditions.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    const status = condition.status ?? '';
    if (status === '') into.add(required(child(path, 'status')));
    else if (!statuses.includes(status)) into.add(notSupported(child(path, 'status'), status, statuses));
    if (approvals.includes(type) && approvals.some((other) => other !== type && earlier.includes(other))) {
      into.add(invalid(child(path, 'type'), type, 'Approved and Denied conditions are mutually exclusive'));
    }
    if (earlier.includes(type)) into.add(duplicate(child(path, 'type'), type));
  }
}

/** What is wrong with a `CertificateSigningRequest`: its PEM, its usages and its signer. */
export function validateSigningRequest(draft: Given<CertificateSigningRequest>): readonly FieldError[] {
  const into = new Collector();
  const request = draft.spec?.request ?? '';
  if (pemKinds(request)[0] !== 'CERTIFICATE REQUEST') {
    into.add(invalid(field('spec.request'), request, 'PEM block type must be CERTIFICATE REQUEST'));
  }
  checkUsages(into, draft.spec?.usages ?? []);
  checkSigner(into, draft.spec?.signerName ?? '', field('spec.signerName'));
  const expiration = draft.spec?.expirationSeconds;
  if (expiration !== undefined && expiration < expirationSecondsMin) {
    const detail = `may not specify a duration less than ${expirationSecondsMin} seconds (10 minutes)`;
    into.add(invalid(field('spec.expirationSeconds'), expiration, detail));
  }
  return into.errors;
}

function conditionsOf(
  request: Given<CertificateSigningRequest>,
  type: string,
): readonly Given<CertificateSigningRequestCondition>[] {
  return (request.status?.conditions ?? []).filter((condition) => condition.type === type);
}

/** What a subresource of a request may change besides conditions of other types. */
interface Powers {
  readonly approves?: boolean;
  readonly issues?: boolean;
}

function checkCertificate(
  into: Collector,
  draft: Given<CertificateSigningRequest>,
  old: Given<CertificateSigningRequest>,
  { issues }: Powers,
): void {
  const path = field('status.certificate');
  const [now, was] = [draft.status?.certificate ?? '', old.status?.certificate ?? ''];
  if (now === was) return;
  const wrongKind = pemKinds(now).find((kind) => kind !== 'CERTIFICATE');
  if (wrongKind !== undefined) {
    const detail = `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(wrongKind)}`;
    into.add(invalid(path, '<certificate data>', detail));
  } else if (now !== '' && pemKinds(now).length === 0) {
    into.add(invalid(path, '<certificate data>', 'must contain at least one CERTIFICATE PEM block'));
  }
  if (issues !== true) into.add(forbiddenField(path, 'updates may not set certificate content'));
  else if (was !== '') into.add(forbiddenField(path, 'updates may not modify existing certificate content'));
}

/** Rules for a change of the status: who issues may not approve, and the other way round. */
export function validateSigningStatus(
  draft: Given<CertificateSigningRequest>,
  old: Given<CertificateSigningRequest>,
  powers: Powers,
): readonly FieldError[] {
  const into = new Collector();
  checkConditions(into, draft.status?.conditions ?? []);
  for (const type of lastingConditions) {
    if (conditionsOf(draft, type).length >= conditionsOf(old, type).length) continue;
    into.add(forbiddenField(conditionsPath, `updates may not remove a condition of type "${type}"`));
  }
  for (const type of powers.approves === true ? [] : approvals) {
    const [now, was] = [conditionsOf(draft, type), conditionsOf(old, type)];
    if (now.length < was.length || semanticallySame(now, was)) continue;
    const verb = now.length > was.length ? 'add' : 'modify';
    into.add(forbiddenField(conditionsPath, `updates may not ${verb} a condition of type "${type}"`));
  }
  checkCertificate(into, draft, old, powers);
  return into.errors;
}
