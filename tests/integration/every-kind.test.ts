/** Every kind of the API table that has a resource is served, by the generic engine alone where nothing more is known of it. */
import { beforeAll, expect, test } from 'vitest';
import { type ResourceInfo, resources } from '#pkg/api/resources.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';

/** Upstream's API server does not have these either: the metrics server brings them. */
const aggregated = ['metrics.k8s.io/v1beta1 nodes', 'metrics.k8s.io/v1beta1 pods'];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ documents: createDocumentProvider, runtimeConfig: { 'api/all': true } });
});

function pathOf({ group, version }: ResourceInfo): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

function isServed({ group, version, resource }: ResourceInfo): boolean {
  return !aggregated.includes(`${group}/${version} ${resource}`);
}

test('every kind is served in a version at least', () => {
  const kinds = Map.groupBy(resources, ({ group, kind }) => `${group}/${kind}`);
  const unserved = [...kinds].filter(([, versions]) => !versions.some(isServed)).map(([kind]) => kind);
  expect(unserved).toEqual(['metrics.k8s.io/NodeMetrics', 'metrics.k8s.io/PodMetrics']);
});

test('discovery has every resource under its own names, with the versions beyond the default asked for', async () => {
  for (const info of resources) {
    const { body } = await server.call('GET', pathOf(info));
    const listed: { name: string }[] = body?.resources ?? [];
    const found = listed.find(({ name }) => name === info.resource);
    const { kind, namespaced, singular, shortNames, categories, verbs } = info;
    if (!isServed(info)) expect(found, `${pathOf(info)} ${info.resource}`).toBeUndefined();
    else {
      expect(found, `${pathOf(info)} ${info.resource}`).toMatchObject({
        kind,
        namespaced,
        singularName: singular,
        verbs,
      });
      expect(found, info.resource).toMatchObject({
        ...(shortNames.length === 0 ? {} : { shortNames }),
        ...(categories.length === 0 ? {} : { categories }),
      });
    }
  }
});

test('what can be listed lists', async () => {
  for (const info of resources.filter(({ verbs }) => verbs.includes('list'))) {
    const path = `${pathOf(info)}/${info.resource}`;
    const { status, body } = await server.call('GET', path);
    expect([status, body?.kind], path).toEqual(isServed(info) ? [200, `${info.kind}List`] : [404, body?.kind]);
  }
});
