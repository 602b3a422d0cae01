import { expect, test } from 'vitest';
import type { AdmissionAttributes, AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { makeRequest } from '#pkg/pki/make-request.ts';
import { readerOf, testContext } from '../testing.ts';
import { certificatePowerPlugins, certificateSubjectRestrictionPlugin } from './certificates.ts';
import { defaultIngressClassPlugin } from './default-ingress-class.ts';

const about = {
  group: 'certificates.k8s.io',
  version: 'v1',
  resource: 'certificatesigningrequests',
  kind: 'CertificateSigningRequest',
  namespace: '',
};

async function run(plugin: AdmissionPlugin, attributes: AdmissionAttributes): Promise<string> {
  if (!plugin.handles(attributes, testContext().user)) return 'not handled';
  try {
    await plugin.validate?.(attributes, testContext(), readerOf({}));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

const client = 'kubernetes.io/kube-apiserver-client';
const requestOf = (organizations: readonly string[]): string =>
  Buffer.from(makeRequest({ subject: { commonName: 'a', organizations } }).pem).toString('base64');

test.each([
  [
    client,
    requestOf(['dev', 'system:masters']),
    `certificatesigningrequests.certificates.k8s.io "x" is forbidden: use of ${client} signer with system:masters group is not allowed`,
  ],
  [client, requestOf(['dev']), ''],
  ['example.com/other', requestOf(['system:masters']), ''],
  [
    client,
    'eA==',
    'certificatesigningrequests.certificates.k8s.io "x" is forbidden: failed to parse CSR: PEM block type must be CERTIFICATE REQUEST',
  ],
])('nobody asks %s for the group that may do everything (fault 25)', async (signerName, request, message) => {
  const draft = { spec: { signerName, request } };
  const attributes = { ...about, operation: 'CREATE', subresource: '', name: 'x', draft, old: undefined } as const;
  expect(await run(certificateSubjectRestrictionPlugin, attributes)).toBe(message);
});

test.each([
  ['approval', 'approve', ['example.com/one'], ''],
  ['approval', 'approve', ['example.com/*'], ''],
  ['approval', 'approve', ['other.com/*'], 'user not permitted to approve requests with signerName "example.com/one"'],
  ['status', 'sign', ['example.com/one'], ''],
  ['status', 'sign', [], 'user not permitted to sign requests with signerName "example.com/one"'],
])('a change by %s takes the right to %s for the signer: with %j (fault 25)', async (subresource, verb, names, why) => {
  const plugins = certificatePowerPlugins({
    authorize: (asked) => {
      const isAllowed = asked.resource === 'signers' && asked.verb === verb && names.includes(asked.name);
      return { decision: isAllowed ? 'allow' : 'no opinion' };
    },
  });
  const old = { spec: { signerName: 'example.com/one' }, metadata: {} };
  const attributes = {
    ...about,
    operation: 'UPDATE',
    subresource,
    name: 'x',
    draft: { ...old, status: { certificate: 'x' } },
    old,
  } as const;
  const results = await Promise.all(plugins.map((plugin) => run(plugin, attributes)));
  const prefix = 'certificatesigningrequests.certificates.k8s.io "x" is forbidden: ';
  expect(results.filter((result) => result !== 'not handled')).toEqual([why === '' ? '' : prefix + why]);
});

test('who changes nothing that counts as signing needs no right to sign (fault 25)', async () => {
  const [, signing] = certificatePowerPlugins({ authorize: () => ({ decision: 'no opinion' }) });
  const old = { spec: { signerName: 'example.com/one' }, metadata: {}, status: { certificate: 'x' } };
  const attributes = {
    ...about,
    operation: 'UPDATE',
    subresource: 'status',
    name: 'x',
    draft: { ...old },
    old,
  } as const;
  expect(await run(signing!, attributes)).toBe('');
});

const classNamed = (name: string, creationTimestamp: string, isDefault = 'true') => ({
  metadata: { name, creationTimestamp, annotations: { 'ingressclass.kubernetes.io/is-default-class': isDefault } },
});

test.each<[object, object, string | undefined]>([
  [{}, {}, 'newest'],
  [{}, { ingressClassName: 'mine' }, 'mine'],
  [{ 'kubernetes.io/ingress.class': 'old' }, {}, undefined],
])('an ingress without a class gets the newest default one: %j %j (fault 25)', async (annotations, spec, expected) => {
  const draft = { metadata: { annotations }, spec: { ...spec } as { ingressClassName?: string } };
  const ingressclasses = [
    classNamed('old', '2026-01-01T00:00:00Z'),
    classNamed('newest', '2026-03-01T00:00:00Z'),
    classNamed('a-later', '2026-02-01T00:00:00Z'),
    classNamed('none', '2026-04-01T00:00:00Z', 'false'),
  ];
  const attributes: AdmissionAttributes = {
    ...{ group: 'networking.k8s.io', version: 'v1', resource: 'ingresses', subresource: '', kind: 'Ingress' },
    operation: 'CREATE',
    ...{ namespace: 'default', name: 'x', draft, old: undefined },
  };
  expect(defaultIngressClassPlugin.handles(attributes, testContext().user)).toBe(true);
  await defaultIngressClassPlugin.admit?.(attributes, testContext(), readerOf({ ingressclasses }));
  expect(draft.spec.ingressClassName).toBe(expected);
});
