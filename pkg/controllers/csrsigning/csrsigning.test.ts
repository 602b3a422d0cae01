import { createPrivateKey, X509Certificate } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { CertificateSigningRequest } from '#pkg/api/types/certificates-v1.ts';
import { certificateSigningRequests } from '#pkg/api/types/refs.ts';
import { issueAuthority } from '#pkg/pki/certificate.ts';
import { makeRequest, type RequestOptions } from '#pkg/pki/make-request.ts';
import { type Harness, startHarness } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = [
  'certificatesigningrequest-approving-controller',
  'certificatesigningrequest-signing-controller',
  'certificatesigningrequest-cleaner-controller',
];
const hourMs = 3_600_000;

async function start(): Promise<void> {
  harness = await startHarness({ controllers });
}

/** The clock of the harness begins at its own time, so the authority is made for all of it. */
const clusterSigning = issueAuthority({ subject: { commonName: 'ca' }, nowMs: 0, validDays: 365 * 70 });

async function startSigning(): Promise<void> {
  harness = await startHarness({ controllers, options: { clusterSigning } });
}

const resource = () => harness.client.resource(certificateSigningRequests);

async function ask(
  name: string,
  {
    signerName,
    usages,
    ...options
  }: RequestOptions & { readonly signerName: string; readonly usages: readonly string[] },
): Promise<string> {
  const { pem, key } = makeRequest(options);
  const request = Buffer.from(pem).toString('base64');
  await resource().create({ metadata: { name }, spec: { request, signerName, usages } });
  return key;
}

async function answer(name: string, type: 'Approved' | 'Denied'): Promise<void> {
  const request = await resource().get(name);
  const conditions = [
    { type, status: 'True', reason: 'Test', lastUpdateTime: new Date(harness.clock.nowMs()).toISOString() },
  ];
  await resource().update({ ...request, status: { conditions } }, { subresource: 'approval' });
}

async function settled(name: string): Promise<CertificateSigningRequest> {
  await harness.clock.advance(1_000);
  return resource().get(name);
}

const node = { subject: { commonName: 'system:node:a', organizations: ['system:nodes'] } };
const person = { subject: { commonName: 'jane', organizations: ['dev'] } };
const clientUsages = ['client auth', 'digital signature'];

const apiServerClient = { signerName: 'kubernetes.io/kube-apiserver-client', usages: clientUsages };
const kubeletClient = { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', usages: clientUsages };
const kubeletServing = { signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'] };

test('an approved request gets its certificate, one that waits or was denied does not (fault 26)', async () => {
  await startSigning();
  const key = await ask('jane', { ...person, ...apiServerClient });
  expect((await settled('jane')).status?.certificate).toBeUndefined();
  await answer('jane', 'Approved');
  const { status } = await settled('jane');
  const certificate = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
  expect([certificate.subject, certificate.checkPrivateKey(createPrivateKey(key))]).toEqual(['O=dev\nCN=jane', true]);
  expect(certificate.verify(new X509Certificate(clusterSigning.certificate).publicKey)).toBe(true);
  await ask('denied', { ...person, ...apiServerClient });
  await answer('denied', 'Denied');
  expect((await settled('denied')).status?.certificate).toBeUndefined();
});

test('what a kubelet asks for as a client is approved where it may, and signed (fault 26)', async () => {
  await startSigning();
  await ask('node', { ...node, ...kubeletClient });
  const { status } = await settled('node');
  expect(status?.conditions).toMatchObject([
    {
      type: 'Approved',
      status: 'True',
      reason: 'AutoApproved',
      message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
    },
  ]);
  expect(status?.certificate).toBeTruthy();
});

test.each<[string, Parameters<typeof ask>[1], string]>([
  [
    'a server',
    { ...person, ...apiServerClient, usages: ['server auth'] },
    'invalid usage for client certificate: server auth',
  ],
  [
    'a client without saying so',
    { ...person, ...apiServerClient, usages: ['digital signature'] },
    'missing required usage for client certificate: client auth',
  ],
  ['a person as a kubelet', { ...person, ...kubeletClient }, 'subject organization is not system:nodes'],
  [
    'a kubelet by another name',
    { subject: { ...node.subject, commonName: 'a' }, ...kubeletClient },
    'subject common name does not begin with system:node:',
  ],
  ['a kubelet that wants names', { ...node, dnsNames: ['a'], ...kubeletClient }, 'DNS subjectAltNames are not allowed'],
  [
    'a kubelet with other usages',
    { ...node, ...kubeletClient, usages: ['client auth'] },
    'usages did not match [client auth digital signature key encipherment]',
  ],
  ['a serving kubelet without names', { ...node, ...kubeletServing }, 'DNS or IP subjectAltName is required'],
  [
    'a serving kubelet with an address for mail',
    { ...node, dnsNames: ['a'], emails: ['a@b.c'], ...kubeletServing },
    'Email subjectAltNames are not allowed',
  ],
  [
    'somebody with the key of another',
    { ...person, ...apiServerClient, signsWithOtherKey: true },
    'unable to verify certificate request signature',
  ],
])('an approved request of %s fails, and says why (fault 26)', async (_, options, message) => {
  await startSigning();
  await ask('x', options);
  await answer('x', 'Approved');
  const { status } = await settled('x');
  expect(status?.certificate).toBeUndefined();
  expect(status?.conditions?.at(-1)).toMatchObject({
    type: 'Failed',
    status: 'True',
    reason: 'SignerValidationFailure',
    message,
  });
});

test('a serving kubelet gets a certificate for its names and addresses once it is approved (fault 26)', async () => {
  await startSigning();
  await ask('serving', { ...node, dnsNames: ['a'], addresses: ['10.0.0.1'], ...kubeletServing });
  expect((await settled('serving')).status?.conditions).toBeUndefined();
  await answer('serving', 'Approved');
  const { status } = await settled('serving');
  const certificate = new X509Certificate(Buffer.from(status?.certificate ?? '', 'base64'));
  expect(certificate.subjectAltName).toBe('DNS:a, IP Address:10.0.0.1');
});

test('requests of other signers are left to them, and all are where there is no authority (fault 26)', async () => {
  await startSigning();
  await ask('foreign', { ...person, signerName: 'example.com/signer', usages: clientUsages });
  await answer('foreign', 'Approved');
  expect((await settled('foreign')).status?.conditions).toMatchObject([{ type: 'Approved' }]);
  await harness.stop();
  await start();
  await ask('jane', { ...person, ...apiServerClient });
  await answer('jane', 'Approved');
  expect((await settled('jane')).status?.certificate).toBeUndefined();
});

test('requests that are over are removed: answered after an hour, others after a day (fault 26)', async () => {
  await startSigning();
  await ask('issued', { ...person, ...apiServerClient });
  await answer('issued', 'Approved');
  await ask('denied', { ...person, ...apiServerClient });
  await answer('denied', 'Denied');
  await ask('waits', { ...person, ...apiServerClient });
  const names = async () => (await harness.list(certificateSigningRequests)).map(({ metadata }) => metadata?.name);
  await harness.clock.advance(hourMs / 2);
  expect(await names()).toEqual(['denied', 'issued', 'waits']);
  await harness.clock.advance(2 * hourMs);
  expect(await names()).toEqual(['waits']);
  await harness.clock.advance(24 * hourMs);
  expect(await names()).toEqual([]);
});
