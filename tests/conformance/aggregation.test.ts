/** API servers behind this one. The sample server runs in this process, in place of one in a pod; its connection is what the network would be. */
import { expect } from 'vitest';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { alwaysAllow } from '#pkg/apiserver/authz/authorizer.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { createApiServer } from '#pkg/apiserver/server.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { apiServices } from '#pkg/registry/apiregistration/api-service.ts';
import type { ConnectRemote } from '#pkg/registry/apiregistration/remote-connection.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { behaviour } from './behaviour.ts';

const group = 'wardle.example.com';
const flunders = `/apis/${group}/v1alpha1/namespaces/conformance/flunders`;

/** A server with one resource of its own, that believes what the server before it says of users. */
function sampleServer(): { readonly connect: ConnectRemote; readonly users: Set<string> } {
  const clock = new VirtualClock();
  const users = new Set<string>();
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const server = createApiServer({
    store: createMemoryStore({ clock }),
    clock,
    random: new SeededRandom(1),
    log: silentLogger,
    strategies: [],
    definitions: [
      structuralDefinition({
        group,
        names: { plural: 'flunders', kind: 'Flunder' },
        scope: 'Namespaced',
        versions: [{ name: 'v1alpha1', served: true, storage: true, schema }],
      }),
    ],
    admission: [],
    authenticators: [clientCertificateAuthenticator(clock)],
    authorizer: alwaysAllow(),
    documents: createDocumentProvider,
  });
  const ready = server.ready();
  const connect: ConnectRemote = ({ serverName }) => ({
    async request(request, headers) {
      expect(serverName).toBe('sample-api.conformance.svc');
      await ready;
      const commonName = String(headers['x-remote-user']);
      users.add(commonName);
      const organizations = [headers['x-remote-group'] ?? []].flat();
      return server.handle({ ...request, peer: { address: '', certificate: { commonName, organizations } } });
    },
    close() {},
  });
  return { connect, users };
}

const sample = sampleServer();

behaviour(
  '[sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator [LinuxOnly]',
  async (stage) => {
    const labels = { app: 'sample-apiserver', apiserver: 'true' };
    const created = async (path: string, body: object): Promise<void> => {
      const answer = await stage.request('POST', path, { body });
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
    };
    await created(`/apis/apps/v1/namespaces/${stage.namespace}/deployments`, {
      metadata: { name: 'sample-apiserver-deployment', labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'sample', image: 'sample-apiserver' }] } },
      },
    });
    await created(`/api/v1/namespaces/${stage.namespace}/services`, {
      metadata: { name: 'sample-api', labels: { test: 'yes' } },
      spec: { selector: { apiserver: 'true' }, ports: [{ port: 7443, targetPort: 443 }] },
    });
    const name = `v1alpha1.${group}`;
    await created('/apis/apiregistration.k8s.io/v1/apiservices', {
      metadata: { name },
      spec: {
        service: { namespace: stage.namespace, name: 'sample-api', port: 7443 },
        group,
        version: 'v1alpha1',
        caBundle: Buffer.from('an authority').toString('base64'),
        groupPriorityMinimum: 2_000,
        versionPriority: 200,
      },
    });
    const services = stage.of(apiServices);
    await stage.cluster.until(async () => {
      const { status } = await services.get(name);
      return (status?.conditions ?? []).some((one) => one.type === 'Available' && one.status === 'True');
    });

    // Its objects are made, read, listed and deleted through this server.
    await created(flunders, {
      apiVersion: `${group}/v1alpha1`,
      kind: 'Flunder',
      metadata: { name: 'f', labels: { a: 'b' } },
    });
    expect(sample.users).toContain('kubernetes-admin');
    expect((await stage.request('GET', `${flunders}/f`)).body.kind).toBe('Flunder');
    const list = await stage.request('GET', flunders, { query: 'labelSelector=a%3Db' });
    expect(list.body).toMatchObject({ kind: 'FlunderList', items: [{ metadata: { name: 'f' } }] });

    // Discovery has it, in each of its forms.
    const groups = await stage.request('GET', '/apis');
    const wanted = { groupVersion: `${group}/v1alpha1`, version: 'v1alpha1' };
    expect(groups.body['groups']).toContainEqual({ name: group, versions: [wanted], preferredVersion: wanted });
    expect((await stage.request('GET', `/apis/${group}`)).body).toMatchObject({ kind: 'APIGroup', name: group });
    const resources = await stage.request('GET', `/apis/${group}/v1alpha1`);
    expect(resources.body).toMatchObject({ resources: [{ name: 'flunders', kind: 'Flunder' }] });
    const aggregated = await stage.request('GET', '/apis', {
      headers: { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' },
    });
    expect(aggregated.body['items']).toContainEqual({
      metadata: { name: group },
      versions: [
        expect.objectContaining({
          freshness: 'Current',
          resources: [expect.objectContaining({ resource: 'flunders', scope: 'Namespaced' })],
        }),
      ],
    });
    const openApi = await stage.request('GET', '/openapi/v3');
    expect(openApi.body['paths']).toHaveProperty([`apis/${group}/v1alpha1`]);
    const published = await stage.request('GET', `/openapi/v3/apis/${group}/v1alpha1`);
    expect(published.body['paths']).toHaveProperty([`/apis/${group}/v1alpha1/namespaces/{namespace}/flunders`]);

    // The status of the APIService is read, updated and patched; labels select it.
    const path = `/apis/apiregistration.k8s.io/v1/apiservices/${name}`;
    const merge = { headers: { 'content-type': 'application/merge-patch+json' } };
    const patched = await stage.request('PATCH', `${path}/status`, {
      ...merge,
      body: { metadata: { annotations: { patched: 'yes' } } },
    });
    expect(patched.status).toBe(200);
    const condition = { type: 'StatusUpdated', status: 'True', reason: 'E2E', message: 'Set from an e2e test' };
    const current = await services.get(name);
    const conditions = [...(current.status?.conditions ?? []), condition];
    const told = await services.update({ ...current, status: { conditions } }, { subresource: 'status' });
    expect(told.status?.conditions).toContainEqual(expect.objectContaining(condition));
    expect((await stage.request('PATCH', path, { ...merge, body: { spec: { versionPriority: 400 } } })).status).toBe(
      200,
    );
    expect((await services.get(name)).spec?.versionPriority).toBe(400);
    expect(
      (await stage.request('PATCH', path, { ...merge, body: { metadata: { labels: { e2e: 'x' } } } })).status,
    ).toBe(200);
    await services.deleteCollection({ labelSelector: 'e2e=x' });
    expect((await services.list({ labelSelector: 'e2e=x' })).items).toEqual([]);
    expect((await stage.request('GET', flunders)).status).toBe(404);
  },
  { connectRemote: sample.connect },
);
