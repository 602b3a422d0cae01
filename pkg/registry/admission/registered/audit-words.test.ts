/** What webhooks and policies leave for the audit events of a request. */
import { expect, test } from 'vitest';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { AdmissionAttributes, StrategyContext } from '#pkg/apiserver/strategy.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { CallWebhook } from '../../remote/call-webhook.ts';
import { readerOf } from '../../testing.ts';
import { createRegisteredAdmission } from './registered.ts';

const request: AdmissionAttributes = {
  operation: 'CREATE',
  group: '',
  version: 'v1',
  resource: 'configmaps',
  subresource: '',
  kind: 'ConfigMap',
  namespace: '',
  name: 'a',
  draft: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { x: '1' } },
  old: undefined,
};
const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }];

/** Asks all plugins with these objects registered; returns what was annotated, and what was counted. */
async function words(registered: Readonly<Record<string, readonly KubeObject[]>>, call?: CallWebhook) {
  const admission = createRegisteredAdmission({ authorize: () => ({ decision: 'allow' }) }, call);
  await admission.connect({
    async follow({ resource }, sink) {
      for (const object of registered[resource] ?? []) sink.set(object);
    },
  });
  const found = new Map<string, string>();
  const context: StrategyContext = {
    user: { name: 'alice', groups: [] },
    clock: new VirtualClock(),
    networkClock: new VirtualClock(),
    random: new SeededRandom(1),
    dryRun: false,
    audit: { annotate: (key, value) => void found.set(key, value) },
    warn: () => undefined,
  };
  const metrics = new Metrics();
  const draft = structuredClone(request.draft);
  for (const plugin of admission.plugins) {
    plugin.countIn?.(metrics);
    const asked = { ...request, draft };
    if (!plugin.handles(asked, context.user)) continue;
    await plugin.admit?.(asked, context, readerOf({}));
    await plugin.validate?.(asked, context, readerOf({}));
  }
  const counted = metrics
    .families()
    .flatMap(({ name, samples }) =>
      samples
        .filter(({ suffix = '_count' }) => suffix === '_count')
        .map(({ labels, value }) => ({ name, labels, value })),
    );
  return { found: Object.fromEntries(found), counted };
}

const policy = (spec: object) => ({
  metadata: { name: 'p' },
  spec: { matchConstraints: { resourceRules: rules }, ...spec },
});
const binding = (validationActions: readonly string[], name = 'b') => ({
  metadata: { name },
  spec: { policyName: 'p', validationActions },
});

test('a policy annotates what its expressions say, each value once, and nothing of what is null', async () => {
  const auditAnnotations = [
    { key: 'size', valueExpression: "'has ' + string(size(object.data)) + ' entries'" },
    { key: 'none', valueExpression: 'null' },
  ];
  const { found } = await words({
    validatingadmissionpolicies: [policy({ auditAnnotations })],
    validatingadmissionpolicybindings: [binding(['Deny']), binding(['Deny'], 'c')],
  });
  expect(found).toEqual({ 'p/size': 'has 1 entries' });
});

test('a binding with Audit tells of what failed and lets it pass', async () => {
  const { found } = await words({
    validatingadmissionpolicies: [
      policy({ validations: [{ expression: 'true' }, { expression: 'false', message: 'never' }] }),
    ],
    validatingadmissionpolicybindings: [binding(['Audit'])],
  });
  const key = 'validation.policy.admission.k8s.io/validation_failure';
  expect(JSON.parse(found[key] ?? '')).toEqual([
    { message: 'never', policy: 'p', binding: 'b', expressionIndex: 1, validationActions: ['Audit'] },
  ]);
});

const hook = (name: string, more: object = {}) => ({
  name,
  clientConfig: { url: `https://hooks.example.com/${name}` },
  rules,
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  ...more,
});

const call: CallWebhook = async ({ url, body }) => {
  const { apiVersion, kind, request: asked } = JSON.parse(body);
  if (url.includes('gone')) throw new Error('connect ECONNREFUSED');
  const patch = Buffer.from('[{"op":"add","path":"/data/y","value":"2"}]').toString('base64');
  const more = url.includes('change') ? { patchType: 'JSONPatch', patch } : { auditAnnotations: { why: 'looks good' } };
  return {
    status: 200,
    text: JSON.stringify({ apiVersion, kind, response: { uid: asked.uid, allowed: true, ...more } }),
  };
};

test('webhooks annotate whether they changed something, what they say, and that they were passed by; each call is counted', async () => {
  const { found, counted } = await words(
    {
      mutatingwebhookconfigurations: [
        {
          metadata: { name: 'm' },
          webhooks: [hook('change'), hook('gone', { failurePolicy: 'Ignore' })],
        } as KubeObject,
      ],
      validatingwebhookconfigurations: [
        { metadata: { name: 'v' }, webhooks: [hook('look'), hook('gone', { failurePolicy: 'Ignore' })] } as KubeObject,
      ],
    },
    call,
  );
  const place = 'mutation.webhook.admission.k8s.io/round_0_index';
  expect(found).toEqual({
    [`${place}_0`]: '{"configuration":"m","webhook":"change","mutated":true}',
    [`${place}_1`]: '{"configuration":"m","webhook":"gone","mutated":false}',
    [`failed-open.${place}_1`]: 'gone',
    'look/why': 'looks good',
    'failed-open.validating.webhook.admission.k8s.io/round_0_index_1': 'gone',
  });
  const of = (wanted: string) =>
    counted
      .filter(({ name }) => name === `apiserver_admission_webhook_${wanted}`)
      .map(({ labels, value }) => [labels.name, labels.type, value])
      .sort();
  const each = [
    ['change', 'admit', 1],
    ['gone', 'admit', 1],
    ['gone', 'validating', 1],
    ['look', 'validating', 1],
  ];
  expect(of('admission_duration_seconds')).toEqual(each);
  expect(of('request_total')).toEqual(each);
});
