import { expect, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { ServedInfo } from '../definition.ts';
import type { DocumentProvider } from '../documents.ts';
import { servedInfos } from '../testing/served-infos.ts';
import { createDocumentProvider, wantedAggregation } from './provider.ts';

const served = servedInfos();

function providerOf(list: readonly ServedInfo[] = served): DocumentProvider {
  return createDocumentProvider({ generation: 1, list: () => list });
}

async function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse | undefined> {
  const signal = new AbortController().signal;
  return providerOf().handle(path, { method: 'GET', path, query: '', headers, peer: { address: '' }, signal });
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape.
async function document(path: string, headers?: Readonly<Record<string, string>>): Promise<any> {
  const answer = await get(path, headers);
  return answer?.body.kind === 'object' ? answer.body.object : undefined;
}

test('groups come in the order that clients prefer them', async () => {
  const { groups } = await document('/apis');
  expect(groups.map(({ name }: { name: string }) => name)).toEqual([
    'apps',
    'events.k8s.io',
    'authentication.k8s.io',
    'authorization.k8s.io',
    'autoscaling',
    'batch',
    'certificates.k8s.io',
    'networking.k8s.io',
    'policy',
    'rbac.authorization.k8s.io',
    'storage.k8s.io',
    'admissionregistration.k8s.io',
    'apiextensions.k8s.io',
    'scheduling.k8s.io',
    'coordination.k8s.io',
    'node.k8s.io',
    'discovery.k8s.io',
    'flowcontrol.apiserver.k8s.io',
    'resource.k8s.io',
  ]);
});

test('a group names its versions, the preferred one first', async () => {
  expect(await document('/apis/autoscaling')).toEqual({
    kind: 'APIGroup',
    apiVersion: 'v1',
    name: 'autoscaling',
    versions: [
      { groupVersion: 'autoscaling/v2', version: 'v2' },
      { groupVersion: 'autoscaling/v1', version: 'v1' },
    ],
    preferredVersion: { groupVersion: 'autoscaling/v2', version: 'v2' },
  });
});

test('a resource comes with its names, its verbs and what stores it, a subresource with its kind', async () => {
  const { resources: list, ...rest } = await document('/apis/apps/v1');
  const named = (name: string): unknown => list.find((one: { name: string }) => one.name === name);
  expect(rest).toEqual({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'apps/v1' });
  expect([named('deployments'), named('deployments/scale'), named('deployments/status')]).toEqual([
    {
      name: 'deployments',
      singularName: 'deployment',
      namespaced: true,
      kind: 'Deployment',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['deploy'],
      categories: ['all'],
      storageVersionHash: '8aSe+NMegvE=',
    },
    {
      name: 'deployments/scale',
      singularName: '',
      namespaced: true,
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    },
    {
      name: 'deployments/status',
      singularName: '',
      namespaced: true,
      kind: 'Deployment',
      verbs: ['get', 'patch', 'update'],
    },
  ]);
});

test.each(['/apis/none', '/apis/apps/v7', '/api/v2', '/apis/apps/v1/x/y'])('%s is no document', async (path) => {
  expect(await get(path)).toBeUndefined();
});

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

test('one document tells all, and is not sent again to who has it', async () => {
  const answer = await get('/api', { accept: `${aggregated},application/json` });
  const all = await document('/api', { accept: aggregated });
  const pods = all.items[0].versions[0].resources.find((one: { resource: string }) => one.resource === 'pods');
  expect(answer?.headers['content-type']).toBe(aggregated);
  expect([all.kind, all.apiVersion, all.items.length]).toEqual(['APIGroupDiscoveryList', 'apidiscovery.k8s.io/v2', 1]);
  expect({ ...pods, subresources: pods.subresources.length }).toEqual({
    resource: 'pods',
    responseKind: { group: '', version: 'v1', kind: 'Pod' },
    scope: 'Namespaced',
    singularResource: 'pod',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    shortNames: ['po'],
    categories: ['all'],
    subresources: 10,
  });
  const again = await get('/api', { accept: aggregated, 'if-none-match': answer?.headers.etag ?? '' });
  expect([again?.status, again?.body.kind]).toEqual([304, 'empty']);
});

test.each([
  [aggregated, 'v2'],
  ['application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json', 'v2beta1'],
  ['application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json', undefined],
  ['application/json', undefined],
  ['', undefined],
])('who accepts %j gets %s', (accept, version) => {
  expect(wantedAggregation(accept)).toBe(version);
});

test('what is no longer served is no longer told of', async () => {
  let list: readonly ServedInfo[] = served;
  let generation = 1;
  const catalog = {
    get generation() {
      return generation;
    },
    list: () => list,
  };
  const provider = createDocumentProvider(catalog);
  const signal = new AbortController().signal;
  const ask = (): unknown =>
    provider.handle('/apis/batch', {
      method: 'GET',
      path: '/apis/batch',
      query: '',
      headers: {},
      peer: { address: '' },
      signal,
    });
  expect(ask()).toBeDefined();
  list = served.filter((info) => info.group !== 'batch');
  generation = 2;
  expect(ask()).toBeUndefined();
});
