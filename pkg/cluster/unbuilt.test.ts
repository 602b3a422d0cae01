import { expect, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { controllerTable } from '#pkg/controllers/table.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { unbuiltKinds } from '#pkg/registry/unbuilt.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';

const bareApi = (serviceCidr: string) =>
  startBareApi({ clock: new VirtualClock(), random: new SeededRandom(1), serviceCidr });
const api = bareApi('127.96.0.0/12');

const peer = { address: '', certificate: { commonName: 'admin', organizations: ['system:masters'] } };

async function send(method: string, path: string, object?: object, to = api): Promise<ApiResponse> {
  const body = object === undefined ? {} : { body: { kind: 'object', object } as const };
  const { signal } = new AbortController();
  const headers = { 'content-type': 'application/json' };
  return (await to).handle({ method, path, query: '', headers, peer, signal, ...body });
}

const warningOf = (answer: ApiResponse): string | undefined => answer.headers.warning;

test('what is said to be missing is missing: a row of pkg/registry/unbuilt.ts goes with the last thing that it names (fault 39)', () => {
  const built = new Set([...Object.keys(controllerTable), ...createAdmissionPlugins().map(({ name }) => name)]);
  const stale = unbuiltKinds.filter(({ missing }) => missing.length > 0 && missing.every((name) => built.has(name)));
  expect(stale.map(({ resource }) => resource)).toEqual([]);
});

const inDefault = (group: string): string => `/apis/${group}/namespaces/default`;

const objects: Readonly<Record<string, readonly [path: string, object: object]>> = {
  services: ['/api/v1/namespaces/default', { spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } }],
  resourceclaims: [inDefault('resource.k8s.io/v1'), { spec: {} }],
  networkpolicies: [inDefault('networking.k8s.io/v1'), { spec: { podSelector: {} } }],
  mutatingwebhookconfigurations: ['/apis/admissionregistration.k8s.io/v1', { webhooks: [] }],
  validatingwebhookconfigurations: ['/apis/admissionregistration.k8s.io/v1', { webhooks: [] }],
  validatingadmissionpolicies: [
    '/apis/admissionregistration.k8s.io/v1',
    {
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
        validations: [{ expression: 'true' }],
      },
    },
  ],
};

test.each(unbuiltKinds)('$resource $effect, and who makes one is told so (fault 39)', async ({ resource, effect }) => {
  const [path, object] = objects[resource]!;
  const answer = await send('POST', `${path}/${resource}`, { metadata: { name: 'x' }, ...object });
  expect(answer.status).toBe(201);
  expect(warningOf(answer)).toContain('is only stored by this version of Coxswain: ');
  expect(warningOf(answer)).toContain(effect);
});

test('what the network of the machine’s kernel does nobody is warned of there', async () => {
  const kernel = bareApi('10.96.0.0/16');
  for (const resource of ['services', 'networkpolicies']) {
    const [path, object] = objects[resource]!;
    const answer = await send('POST', `${path}/${resource}`, { metadata: { name: 'x' }, ...object }, kernel);
    expect([answer.status, warningOf(answer)]).toEqual([201, undefined]);
  }
});

test('who makes what works, or only writes labels, is not warned (fault 39)', async () => {
  const path = '/api/v1/namespaces/default';
  const service = { metadata: { name: 'plain' }, spec: { ports: [{ port: 80 }] } };
  expect(warningOf(await send('POST', `${path}/services`, service))).toBeUndefined();
  expect(warningOf(await send('POST', `${path}/secrets`, { metadata: { name: 'plain' } }))).toBeUndefined();
  const networking = `${inDefault('networking.k8s.io/v1')}/networkpolicies`;
  const policy = { metadata: { name: 'x', labels: { a: 'b' } }, spec: { podSelector: {} } };
  expect(warningOf(await send('PUT', `${networking}/x`, policy))).toBeUndefined();
  const other = { ...policy, spec: { podSelector: { matchLabels: { a: 'b' } } } };
  expect(warningOf(await send('PUT', `${networking}/x`, other))).toContain(
    'networkpolicies.networking.k8s.io is only stored',
  );
});
