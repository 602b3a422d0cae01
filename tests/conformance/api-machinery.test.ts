/** The API server's own manners: discovery, versions, strict fields, lists in pieces, quotas as objects, webhooks as objects. */
import { expect } from 'vitest';
import { resourceOfKind } from '#pkg/api/resources.ts';
import {
  deployments,
  mutatingWebhookConfigurations,
  podTemplates,
  resourceQuotas,
  validatingWebhookConfigurations,
} from '#pkg/api/types/refs.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { isDiscovered } from './api-operations.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { deployment, image } from './objects.ts';

const area = '[sig-api-machinery]';
const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** The groups that every server has. */
const groups = [
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apps',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
];

interface Group {
  readonly name: string;
  readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
  readonly preferredVersion: { readonly groupVersion: string; readonly version: string };
}

const groupsOf = async (stage: Stage): Promise<readonly Group[]> =>
  (await stage.request('GET', '/apis')).body['groups'] as unknown as readonly Group[];

interface AggregatedGroup {
  readonly metadata: { readonly name?: string };
  readonly versions: readonly {
    readonly version: string;
    readonly resources: readonly { readonly resource: string }[];
  }[];
}

async function aggregatedResources(stage: Stage, path: string, accept: string): Promise<readonly string[]> {
  const answer = await stage.request('GET', path, { headers: { accept } });
  expect(answer).toMatchObject({ status: 200, contentType: aggregated, body: { kind: 'APIGroupDiscoveryList' } });
  const items = answer.body['items'] as unknown as readonly AggregatedGroup[];
  return items.flatMap(({ metadata, versions }) =>
    versions.flatMap(({ version, resources }) =>
      resources.map(({ resource }) => `${metadata.name ?? ''}/${version}/${resource}`),
    ),
  );
}

behaviour(`${area} AggregatedDiscovery should support aggregated discovery interface`, async (stage) => {
  const accept = `${aggregated},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json`;
  const found = [
    ...(await aggregatedResources(stage, '/api', accept)),
    ...(await aggregatedResources(stage, '/apis', accept)),
  ];
  const expected = ['/v1/namespaces', '/v1/pods', '/v1/services', 'apps/v1/deployments', 'batch/v1/jobs'];
  expect(found).toEqual(expect.arrayContaining(expected));
  for (const group of groups) expect(found.some((one) => one.startsWith(`${group}/v1/`))).toBe(true);
});

behaviour(
  `${area} AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers`,
  async (stage) => {
    for (const path of ['/api', '/apis']) {
      const plain = await stage.request('GET', path, { headers: { accept: 'application/json' } });
      expect(plain.contentType).toBe('application/json');
      expect(plain.body).toMatchObject({ kind: path === '/api' ? 'APIVersions' : 'APIGroupList' });
      expect((await aggregatedResources(stage, path, aggregated)).length).toBeGreaterThan(0);
    }
  },
);

behaviour(`${area} Discovery should validate PreferredVersion for each APIGroup`, async (stage) => {
  const all = await groupsOf(stage);
  expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(groups));
  for (const { name, preferredVersion } of all) {
    const { body } = await stage.request('GET', `/apis/${name}/`);
    expect(body).toMatchObject({ kind: 'APIGroup', name, preferredVersion });
    expect(body['versions']).toContainEqual(preferredVersion);
  }
});

behaviour(`${area} Discovery should locate the groupVersion and a resource within each APIGroup`, async (stage) => {
  for (const { versions } of await groupsOf(stage)) {
    for (const { groupVersion } of versions) {
      const { body } = await stage.request('GET', `/apis/${groupVersion}`);
      expect(body).toMatchObject({ kind: 'APIResourceList', groupVersion });
      expect((body['resources'] as unknown as unknown[]).length).toBeGreaterThan(0);
    }
  }
});

behaviour(`${area} server version should find the server version`, async (stage) => {
  const { body } = await stage.request('GET', '/version');
  expect(body['major']).toMatch(/^\d+$/);
  expect(String(body['minor']).replace(/\W/g, '')).toMatch(/^\d+$/);
});

behaviour(
  `${area} AdmissionWebhook [Privileged:ClusterAdmin] should include webhook resources in discovery documents`,
  async (stage) => {
    const kinds = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];
    for (const kind of kinds) await isDiscovered(stage, resourceOfKind('admissionregistration.k8s.io/v1', kind)!);
  },
);

behaviour(
  `${area} CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents`,
  (stage) => isDiscovered(stage, resourceOfKind('apiextensions.k8s.io/v1', 'CustomResourceDefinition')!),
);

const webhook = {
  name: 'validation-webhook-with-match-conditions.k8s.io',
  rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE' as const], resources: ['configmaps'] }],
  clientConfig: { service: { namespace: 'conformance', name: 'webhook', path: '/always-deny', port: 8443 } },
  sideEffects: 'None' as const,
  admissionReviewVersions: ['v1'],
};
const conditions = [{ name: 'expression-1', expression: "object.metadata.namespace == 'production'" }];
const moreConditions = [...conditions, { name: 'expression-2', expression: "object.metadata.namespace == 'staging'" }];

for (const [word, ref] of [
  ['mutating', mutatingWebhookConfigurations],
  ['validating', validatingWebhookConfigurations],
] as const) {
  behaviour(
    `${area} AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update ${word} webhook configurations with match conditions`,
    async (stage) => {
      const client = stage.of(ref as typeof validatingWebhookConfigurations);
      const kind = (
        word === 'mutating' ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration'
      ) as 'ValidatingWebhookConfiguration';
      await client.create({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind,
        metadata: { name: 'conditions' },
        webhooks: [{ ...webhook, matchConditions: conditions }],
      });
      const stored = await client.get('conditions');
      expect(stored.webhooks?.[0]?.matchConditions).toEqual(conditions);
      await client.update({ ...stored, webhooks: [{ ...stored.webhooks![0]!, matchConditions: moreConditions }] });
      expect((await client.get('conditions')).webhooks?.[0]?.matchConditions).toEqual(moreConditions);
    },
  );
}

/** A Deployment as text, so that a field can come twice. */
const deploymentText = (parts: { readonly meta?: string; readonly spec?: string; readonly podMeta?: string }): string =>
  `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"strict"${parts.meta ?? ''}},"spec":{"selector":{"matchLabels":{"app":"x"}}${parts.spec ?? ''},
  "template":{"metadata":{"labels":{"app":"x"}${parts.podMeta ?? ''}},"spec":{"containers":[{"name":"c","image":"${image}","unknownNested":1}]}}}}`;

behaviour(`${area} FieldValidation should detect unknown and duplicate fields of a typed object`, async (stage) => {
  const path = `/apis/apps/v1/namespaces/${stage.namespace}/deployments`;
  const text = deploymentText({
    spec: ',"unknown1":"val1","unknownDupe":"v","unknownDupe":"w","paused":true,"paused":false',
  });
  const problems = [
    'unknown field "spec.template.spec.containers[0].unknownNested"',
    'unknown field "spec.unknown1"',
    'duplicate field "spec.paused"',
  ];
  const strict = await stage.request('POST', path, { query: 'fieldValidation=Strict', text });
  expect(strict.status).toBe(400);
  expect(strict.body['message']).toContain('strict decoding error: unknown field "spec.unknown1"');
  for (const problem of problems) expect(strict.body['message']).toContain(problem);
  const apply = {
    query: 'fieldValidation=Strict&fieldManager=e2e',
    headers: { 'content-type': 'application/apply-patch+yaml' },
  };
  const applied = await stage.request('PATCH', `${path}/strict`, { ...apply, text });
  expect(applied.status).toBe(400);
  await expect(stage.of(deployments).get('strict', { namespace: stage.namespace })).rejects.toSatisfy(isNotFound);
  const lenient = await stage.request('POST', path, { query: 'fieldValidation=Warn', text });
  expect(lenient.status).toBe(201);
  for (const problem of problems) expect(lenient.warnings.replaceAll('\\"', '"')).toContain(problem);
});

behaviour(`${area} FieldValidation should detect unknown metadata fields of a typed object`, async (stage) => {
  const path = `/apis/apps/v1/namespaces/${stage.namespace}/deployments`;
  const text = deploymentText({ meta: ',"unknownMeta":"foo"', podMeta: ',"unknownMeta":"bar"' });
  const strict = await stage.request('POST', path, { query: 'fieldValidation=Strict', text });
  expect(strict.status).toBe(400);
  for (const field of ['metadata.unknownMeta', 'spec.template.metadata.unknownMeta']) {
    expect(strict.body['message']).toContain(`unknown field "${field}"`);
  }
});

const chunking = `${area} Servers with support for API chunking`;
const templatesTotal = 400;

async function createTemplates(stage: Stage): Promise<void> {
  const { metadata: _, spec } = deployment('x');
  for (let index = 0; index < templatesTotal; index++) {
    const name = `template-${String(index).padStart(4, '0')}`;
    const metadata = { name, namespace: stage.namespace };
    await stage
      .of(podTemplates)
      .create({ apiVersion: 'v1' as const, kind: 'PodTemplate' as const, metadata, template: spec!.template });
  }
}

behaviour(`${chunking} should return chunks of results for list calls`, async (stage) => {
  await createTemplates(stage);
  const { namespace } = stage;
  const limit = 17;
  let found = 0;
  let token: string | undefined;
  let version: string | undefined;
  do {
    const page = await stage
      .of(podTemplates)
      .list({ namespace, limit, ...(token === undefined ? {} : { continue: token }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    version ??= page.metadata?.resourceVersion;
    expect(page.metadata?.resourceVersion).toBe(version);
    for (const { metadata } of page.items) expect(metadata?.name).toBe(`template-${String(found++).padStart(4, '0')}`);
    token = page.metadata?.continue;
    if (token === undefined || token === '') expect(page.metadata?.remainingItemCount ?? 0).toBe(0);
    else expect(page.metadata?.remainingItemCount).toBe(templatesTotal - found);
  } while (token !== undefined && token !== '');
  expect(found).toBe(templatesTotal);
  expect((await stage.of(podTemplates).list({ namespace, limit: templatesTotal + 1 })).items.length).toBe(
    templatesTotal,
  );
});

behaviour(
  `${chunking} should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]`,
  async (stage) => {
    await createTemplates(stage);
    const path = `/api/v1/namespaces/${stage.namespace}/podtemplates`;
    const first = await stage.request('GET', path, { query: 'limit=40' });
    const token = (first.body['metadata'] as unknown as { continue: string }).continue;
    const next = (value: string) =>
      stage.request('GET', path, { query: `limit=40&continue=${encodeURIComponent(value)}` });
    let answer = await next(token);
    await stage.cluster.until(async () => {
      answer = await next(token);
      return answer.status === 410;
    }, 20 * 60_000);
    const fresh = (answer.body['metadata'] as unknown as { continue: string }).continue;
    expect(fresh).not.toBe('');
    let page = await next(fresh);
    const version = (page.body['metadata'] as unknown as { resourceVersion: string }).resourceVersion;
    let found = 40;
    for (;;) {
      const metadata = page.body['metadata'] as unknown as JsonObject;
      expect(metadata['resourceVersion']).toBe(version);
      found += (page.body['items'] as unknown as unknown[]).length;
      if (!metadata['continue']) break;
      expect(metadata['remainingItemCount']).toBe(templatesTotal - found);
      page = await next(String(metadata['continue']));
    }
    expect(found).toBe(templatesTotal);
  },
);

behaviour(
  `${area} Servers with support for Table transformation should return a 406 for a backend which does not implement metadata`,
  async (stage) => {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const spec = { resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' } };
    const body = { apiVersion: 'authorization.k8s.io/v1' as const, kind: 'SelfSubjectAccessReview' as const, spec };
    const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    expect((await stage.request('POST', path, { headers, body })).status).toBe(406);
  },
);

const quota = (name: string, hard = { cpu: '1', memory: '500Mi' }) => ({
  apiVersion: 'v1' as const,
  kind: 'ResourceQuota' as const,
  metadata: { name, namespace: 'conformance', labels: { quota: name } },
  spec: { hard },
});

behaviour(`${area} ResourceQuota should be able to update and delete ResourceQuota.`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(resourceQuotas);
  const created = await client.create(quota('test-quota'));
  expect(created.spec?.hard).toEqual({ cpu: '1', memory: '500Mi' });
  const hard = { cpu: '2', memory: '1Gi' };
  expect((await client.update({ ...created, spec: { hard } })).spec?.hard).toEqual(hard);
  expect((await client.get('test-quota', { namespace })).spec?.hard).toEqual(hard);
  await client.delete('test-quota', { namespace });
  await expect(client.get('test-quota', { namespace })).rejects.toSatisfy(isNotFound);
});

behaviour(`${area} ResourceQuota should manage the lifecycle of a ResourceQuota`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(resourceQuotas);
  await client.create(quota('e2e-quota'));
  expect((await client.list({ labelSelector: 'quota=e2e-quota' })).items.length).toBe(1);
  const patch = { metadata: { labels: { patched: 'true' } }, spec: { hard: { memory: '750Mi' } } };
  const patched = await client.patch('e2e-quota', patch, { namespace, type: 'strategic' });
  expect(patched.metadata?.labels).toEqual({ quota: 'e2e-quota', patched: 'true' });
  expect(patched.spec?.hard).toEqual({ cpu: '1', memory: '750Mi' });
  await client.deleteCollection({ namespace, labelSelector: 'patched=true' });
  expect((await client.list({ labelSelector: 'quota=e2e-quota' })).items).toEqual([]);
});
