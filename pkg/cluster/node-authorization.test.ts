import { afterAll, beforeAll, expect, test } from 'vitest';
import { startUsersApi, type UserCaller, type UsersApi } from './testing-users.ts';

let users: UsersApi;
let node: UserCaller;
const inDefault = '/api/v1/namespaces/default';

function podOf(name: string, nodeName: string, spec: object = {}): object {
  return { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }], nodeName, ...spec } };
}

beforeAll(async () => {
  users = await startUsersApi();
  node = users.as('system:node:n1', 'system:nodes');
  await users.make(`${inDefault}/serviceaccounts`, { metadata: { name: 'default' } });
  const secret = (name: string) => ({ metadata: { name }, data: {} });
  await users.make(`${inDefault}/secrets`, secret('env'), secret('volume'), secret('pull'), secret('other'));
  await users.make(`${inDefault}/configmaps`, { metadata: { name: 'settings' } });
  const env = [{ name: 'E', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }];
  const containers = [{ name: 'c', image: 'i', env, envFrom: [{ configMapRef: { name: 'settings' } }] }];
  const volumes = [{ name: 'v', secret: { secretName: 'volume' } }];
  await users.make(
    `${inDefault}/pods`,
    podOf('mine', 'n1', { containers, volumes, imagePullSecrets: [{ name: 'pull' }] }) as never,
    podOf('theirs', 'n2', { volumes: [{ name: 'v', secret: { secretName: 'other' } }] }) as never,
  );
  await users.make('/api/v1/nodes', { metadata: { name: 'n2' } });
});
afterAll(() => users.stop());

const related = (kind: string, name: string, verb = 'get', what = kind): string =>
  `${kind} "${name}" is forbidden: User "system:node:n1" cannot ${verb} resource "${what}" in API group "" in the namespace "default": no relationship found between node 'n1' and this object`;

test.each(['env', 'volume', 'pull'])('a kubelet reads the Secret %s of its pod', async (name) => {
  expect((await node('GET', `${inDefault}/secrets/${name}`)).status).toBe(200);
});

test('and its ConfigMaps, also by a list that names one', async () => {
  expect((await node('GET', `${inDefault}/configmaps/settings`)).status).toBe(200);
  expect((await node('GET', `${inDefault}/configmaps?fieldSelector=metadata.name%3Dsettings`)).status).toBe(200);
});

test("a kubelet that asks for another node's Secrets is refused", async () => {
  const { status, body } = await node('GET', `${inDefault}/secrets/other`);
  expect([status, body.message]).toEqual([403, related('secrets', 'other')]);
  expect((await node('GET', `${inDefault}/secrets`)).body.message).toContain('No Object name found');
  expect((await node('GET', '/api/v1/secrets')).body.message).toContain('can only read namespaced object of this type');
  expect((await node('DELETE', `${inDefault}/secrets/env`)).body.message).toContain(
    'can only read resources of this type',
  );
});

test('what a pod referred to is out of reach when the pod has gone', async () => {
  await users.make(`${inDefault}/secrets`, { metadata: { name: 'short' } });
  const get = async (): Promise<number> => (await node('GET', `${inDefault}/secrets/short`)).status;
  expect(await get()).toBe(403);
  await users.make(
    `${inDefault}/pods`,
    podOf('short', '', { volumes: [{ name: 'v', secret: { secretName: 'short' } }] }) as never,
  );
  expect(await get()).toBe(403);
  const binding = { metadata: { name: 'short' }, target: { kind: 'Node', name: 'n1' } };
  await users.admin('POST', `${inDefault}/pods/short/binding`, { object: binding });
  expect(await get()).toBe(200);
  await users.admin('DELETE', `${inDefault}/pods/short?gracePeriodSeconds=0`);
  expect(await get()).toBe(403);
});

test.each([
  ['GET', '/api/v1/nodes/n2', "node 'n1' cannot read 'n2', only its own Node object"],
  ['GET', '/api/v1/nodes', "node 'n1' cannot read all nodes, only its own Node object"],
  ['GET', '/api/v1/pods', 'can only list/watch pods with spec.nodeName field selector'],
  [
    'GET',
    '/api/v1/pods?fieldSelector=spec.nodeName%3Dn2',
    'can only list/watch pods with spec.nodeName field selector',
  ],
  [
    'GET',
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2',
    'can only access node lease with the same name as the requesting node',
  ],
  [
    'GET',
    '/apis/coordination.k8s.io/v1/namespaces/default/leases/n1',
    'can only access leases in the "kube-node-lease" system namespace',
  ],
  ['POST', `${inDefault}/serviceaccounts/none/token`, "no relationship found between node 'n1' and this object"],
])('%s %s is refused', async (method, target, why) => {
  const { status, body } = await node(method, target);
  expect([status, body.message]).toEqual([403, expect.stringContaining(why)]);
});

test('its own pods it may list, and of single ones read its own', async () => {
  const { body } = await node('GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1');
  expect(body.items.map((pod: { metadata: { name: string } }) => pod.metadata.name)).toEqual(['mine']);
  expect((await node('GET', `${inDefault}/pods/mine`)).status).toBe(200);
  expect((await node('GET', `${inDefault}/pods/theirs`)).status).toBe(403);
});

test('a kubelet writes its own node, without labels that are not its own', async () => {
  const create = (name: string, labels: object) =>
    node('POST', '/api/v1/nodes', { object: { metadata: { name, labels } } });
  expect((await create('n3', {})).body.message).toBe(
    'nodes "n3" is forbidden: node "n1" is not allowed to modify node "n3"',
  );
  const bad = { 'node-restriction.kubernetes.io/x': '', 'kubernetes.io/y': '', 'node.kubernetes.io/z': '', mine: '' };
  expect((await create('n1', bad)).body.message).toBe(
    'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: kubernetes.io/y, node-restriction.kubernetes.io/x',
  );
  expect((await create('n1', { 'kubernetes.io/hostname': 'n1', mine: 'x' })).status).toBe(201);
  const patch = (object: object) =>
    node('PATCH', '/api/v1/nodes/n1', { object, headers: { 'content-type': 'application/merge-patch+json' } });
  expect((await patch({ spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } })).body.message).toBe(
    'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
  );
  expect(
    (await patch({ metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } })).body.message,
  ).toContain('is not allowed to modify labels: node-role.kubernetes.io/control-plane');
  expect((await patch({ metadata: { labels: { mine: 'y' } } })).status).toBe(200);
});

test('a kubelet writes the status of its own pods', async () => {
  const patch = (name: string, object: object) =>
    node('PATCH', `${inDefault}/pods/${name}/status`, {
      object,
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  expect((await patch('mine', { status: { message: 'x' } })).status).toBe(200);
  expect((await patch('theirs', { status: { message: 'x' } })).body.message).toBe(
    'pods "theirs" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
  );
  expect((await patch('mine', { metadata: { labels: { a: 'b' } } })).body.message).toContain(
    'cannot update labels through pod status',
  );
  expect((await node('DELETE', `${inDefault}/pods/theirs`)).body.message).toContain(
    'can only delete pods with spec.nodeName set to itself',
  );
  expect((await node('POST', `${inDefault}/pods`, { object: podOf('new', 'n1') })).body.message).toContain(
    'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
  );
});
