/** Which policies and webhooks are asked about a request, in which order, and that nobody waits who need not. */
import { expect, test } from 'vitest';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { FollowSink } from '#pkg/apiserver/follow-sink.ts';
import type { AdmissionAttributes } from '#pkg/apiserver/strategy.ts';
import type { CallWebhook } from '../../remote/call-webhook.ts';
import { readerOf, testContext } from '../../testing.ts';
import { createRegisteredAdmission } from './registered.ts';

const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }];
const reader = readerOf({
  namespaces: [{ metadata: { name: 'one', labels: { team: 'a' } } }],
  services: [{ metadata: { name: 'hook', namespace: 'one' }, spec: { clusterIP: '10.0.0.9', ports: [{ port: 443 }] } }],
});

function about(changes: Partial<AdmissionAttributes> = {}): AdmissionAttributes {
  return {
    operation: 'CREATE',
    ...{ group: '', version: 'v1', resource: 'configmaps', subresource: '', kind: 'ConfigMap' },
    ...{ namespace: 'one', name: 'a', old: undefined },
    draft: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'one' }, data: { x: '1' } },
    ...changes,
  };
}

/** Plugins, and what tells them of objects by their resource. */
async function admission(call?: CallWebhook) {
  const sinks = new Map<string, FollowSink>();
  const { plugins, connect } = createRegisteredAdmission({ authorize: () => ({ decision: 'allow' }) }, call);
  await connect({ follow: async ({ resource }, sink) => void sinks.set(resource, sink) });
  const set = (resource: string, object: KubeObject): void => sinks.get(resource)?.set(object);
  const plugin = (name: string) => plugins.find((one) => one.name === name)!;
  const addPolicy = (name: string, spec: object): void => {
    set('validatingadmissionpolicies', { metadata: { name }, spec } as KubeObject);
    const bound = { policyName: name, validationActions: ['Deny'] };
    set('validatingadmissionpolicybindings', { metadata: { name }, spec: bound } as KubeObject);
  };
  return { set, plugin, addPolicy, sinks };
}

const refusing = (constraints: object = {}): object => ({
  matchConstraints: { resourceRules: rules, ...constraints },
  validations: [{ expression: "object.data.x != '1'" }],
});

test('a policy is about the kinds of requests that its rules name, from when it is there until it is gone', async () => {
  const { plugin, addPolicy, sinks } = await admission();
  const policies = plugin('ValidatingAdmissionPolicy');
  const { user } = testContext();
  const handles = (changes?: Partial<AdmissionAttributes>): boolean => policies.handles(about(changes), user);
  expect(handles()).toBe(false);
  addPolicy('p', refusing());
  expect([handles(), handles({ operation: 'UPDATE' }), handles({ namespace: 'two' })]).toEqual([true, true, true]);
  for (const other of [{ operation: 'DELETE' }, { resource: 'secrets' }, { subresource: 'status' }] as const) {
    expect(handles(other), JSON.stringify(other)).toBe(false);
  }
  addPolicy('q', refusing({ resourceRules: [{ ...rules[0], resources: ['secrets'] }] }));
  expect([handles(), handles({ resource: 'secrets' })]).toEqual([true, true]);
  sinks.get('validatingadmissionpolicies')?.remove({ metadata: { name: 'p' } });
  expect([handles(), handles({ resource: 'secrets' })]).toEqual([false, true]);
  sinks.get('validatingadmissionpolicybindings')?.remove({ metadata: { name: 'q' } });
  expect(handles({ resource: 'secrets' })).toBe(false);
});

test('a policy about all requests of a kind judges at once', async () => {
  const { plugin, addPolicy } = await admission();
  addPolicy('p', refusing({ objectSelector: {}, namespaceSelector: {} }));
  const policies = plugin('ValidatingAdmissionPolicy');
  const passing = about({ draft: { metadata: { name: 'a' }, data: { x: '2' } } });
  expect(policies.validate?.(passing, testContext(), reader)).toBeUndefined();
  expect(() => policies.validate?.(about(), testContext(), reader)).toThrow("'p' with binding 'p' denied request");
});

test('selectors, names and scopes are looked at in each request, and the first policy that refuses is told', async () => {
  const { plugin, addPolicy } = await admission();
  const policies = plugin('ValidatingAdmissionPolicy');
  const judged = async (changes?: Partial<AdmissionAttributes>): Promise<string> => {
    try {
      await policies.validate?.(about(changes), testContext(), reader);
      return 'passed';
    } catch (error) {
      return /'(\w)' with binding/.exec(String(error))?.[1] ?? String(error);
    }
  };
  addPolicy('c', refusing());
  addPolicy('b', refusing({ namespaceSelector: { matchLabels: { team: 'a' } } }));
  expect([await judged(), await judged({ namespace: 'two' })]).toEqual(['b', 'c']);
  addPolicy('a', refusing({ resourceRules: [{ ...rules[0], resourceNames: ['special'] }] }));
  expect([await judged(), await judged({ name: 'special' })]).toEqual(['b', 'a']);
  addPolicy('a', refusing({ resourceRules: [{ ...rules[0], scope: 'Cluster' }] }));
  addPolicy('b', refusing({ excludeResourceRules: rules }));
  expect([await judged(), await judged({ namespace: '' })]).toEqual(['c', 'a']);
  const labelled = { metadata: { name: 'a', labels: { team: 'a' } }, data: { x: '1' } };
  addPolicy('b', refusing({ objectSelector: { matchLabels: { team: 'a' } } }));
  expect([await judged(), await judged({ draft: labelled })]).toEqual(['c', 'b']);
});

test('webhooks are asked about the kinds of their rules, with the object as it is then', async () => {
  const sent: { readonly url: string; readonly body: { readonly request: Record<string, unknown> } }[] = [];
  const { plugin, set } = await admission(async ({ url, body }) => {
    const review = JSON.parse(body);
    sent.push({ url, body: review });
    const { uid, object } = review.request;
    const patch = [{ op: 'add', path: '/data/y', value: `${Object.keys(object.data).length}` }];
    const response = url.includes('change')
      ? { uid, allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
      : { uid, allowed: true };
    return { status: 200, text: JSON.stringify({ ...review, request: undefined, response }) };
  });
  const hook = (name: string, more: object = {}): object => ({
    ...{
      name,
      rules,
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      clientConfig: { url: `https://x/${name}` },
    },
    ...more,
  });
  const service = { clientConfig: { service: { name: 'hook', namespace: 'one', path: '/judge' } } };
  const judges = [
    hook('judge-1'),
    hook('judge-2', service),
    hook('no', { rules: [{ ...rules[0], resources: ['x'] }] }),
  ];
  set('mutatingwebhookconfigurations', {
    metadata: { name: 'm' },
    webhooks: [hook('change'), hook('look')],
  } as KubeObject);
  set('validatingwebhookconfigurations', { metadata: { name: 'v' }, webhooks: judges } as KubeObject);
  const [changing, judging] = [plugin('MutatingAdmissionWebhook'), plugin('ValidatingAdmissionWebhook')];
  const { user } = testContext();
  expect([changing, judging].map((one) => one.handles(about({ operation: 'DELETE' }), user))).toEqual([false, false]);
  const request = about({ old: { metadata: { name: 'a' }, data: { x: '0' } } as KubeObject });
  await changing.admit?.(request, testContext(), reader);
  await judging.validate?.(request, testContext(), reader);
  const oldObject = { metadata: { name: 'a' }, data: { x: '0' } };
  expect(
    sent.map(({ url, body }) => [url, (body.request.object as { data: object }).data, body.request.oldObject]),
  ).toEqual([
    ['https://x/change?timeout=10s', { x: '1' }, oldObject],
    ['https://x/look?timeout=10s', { x: '1', y: '1' }, oldObject],
    ['https://x/judge-1?timeout=10s', { x: '1', y: '1' }, oldObject],
    ['https://hook.one.svc:443/judge?timeout=10s', { x: '1', y: '1' }, oldObject],
  ]);
  expect(sent[0]?.body).toMatchObject({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' });
});
