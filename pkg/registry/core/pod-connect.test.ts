import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { Authorizer } from '#pkg/apiserver/authz/authorizer.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { podStrategy } from './pod.ts';

const pods = '/api/v1/namespaces/default/pods';

const makePod = (name: string, containers: readonly string[], nodeName?: string) => ({
  metadata: { name },
  spec: {
    containers: containers.map((container) => ({ name: container, image: 'a' })),
    ...(nodeName === undefined ? {} : { nodeName }),
  },
});

/** A server, and what it asks of kubelets. */
async function setUp(authorizer?: Authorizer) {
  const asked: ApiRequest[] = [];
  const server = await startTestServer({
    strategies: [podStrategy],
    ...(authorizer === undefined ? {} : { authorizer }),
    kubelet: (nodeName) =>
      nodeName === 'gone'
        ? undefined
        : async (request): Promise<ApiResponse> => {
            asked.push(request);
            return { status: 418, headers: { 'content-type': 'text/plain' }, body: { kind: 'empty' } };
          },
  });
  for (const [name, containers, node] of [
    ['one', ['main'], 'node'],
    ['two', ['a', 'b'], 'node'],
    ['waiting', ['main'], undefined],
    ['lost', ['main'], 'gone'],
  ] as const) {
    await server.call('POST', pods, { object: makePod(name, containers, node) });
  }
  const ask = async (target: string, options: { readonly method?: string; readonly upgrade?: string } = {}) => {
    const { method = 'POST', upgrade = 'websocket' } = options;
    const [path = '', query = ''] = `${pods}/${target}`.split('?');
    const answer = await server.server.handle({
      method,
      path,
      query,
      headers: {
        'sec-websocket-protocol': 'base64url.bearer.authorization.k8s.io.c2VjcmV0, v5.channel.k8s.io',
        'sec-websocket-key': 'key',
        authorization: 'Bearer secret',
        upgrade,
      },
      ...(upgrade === '' ? {} : { upgrade }),
      peer: { address: '', certificate: { commonName: 'admin', organizations: ['people'] } },
      signal: new AbortController().signal,
    });
    const { body } = answer;
    const status = body.kind === 'object' ? JSON.parse(Buffer.from(body.bytes()).toString()) : undefined;
    return { status: answer.status, message: status?.message as string | undefined };
  };
  return { ask, asked };
}

test.each([
  [
    'one/exec?command=ls&command=-l&stdin=true&stdout=1&stderr=false&tty',
    '/exec/default/one/main',
    'input=1&output=1&tty=1&command=ls&command=-l',
  ],
  ['two/attach?container=b&stdout=true', '/attach/default/two/b', 'output=1'],
  ['one/portforward?ports=80&ports=81,82', '/portForward/default/one', 'port=80%2C81%2C82'],
  ['one/portforward', '/portForward/default/one', ''],
])('%s is asked of the kubelet in its own words, without what is the client’s secret', async (target, path, query) => {
  const { ask, asked } = await setUp();
  expect((await ask(target)).status).toBe(418);
  expect(asked).toMatchObject([{ method: 'POST', path, query, upgrade: 'websocket' }]);
  expect(asked[0]!.headers).toEqual({
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': 'key',
    'sec-websocket-protocol': 'v5.channel.k8s.io',
  });
});

test.each([
  ['none/exec?command=a', 404, 'pods "none" not found'],
  ['one/exec?command=a&container=other', 400, 'container other is not valid for pod one'],
  ['two/exec?command=a', 400, 'a container name must be specified for pod two, choose one of: [a b]'],
  ['waiting/exec?command=a', 400, 'pod waiting does not have a host assigned'],
  ['waiting/portforward', 400, 'pod waiting does not have a host assigned'],
  ['lost/exec?command=a', 503, 'no connection to the kubelet of node gone'],
  ['one/portforward?ports=http', 400, 'strconv.ParseInt: parsing "http": invalid syntax'],
])('%s is refused', async (target, status, message) => {
  const { ask } = await setUp();
  expect(await ask(target)).toEqual({ status, message });
});

test('a request that wants no other protocol is told that it has to', async () => {
  const { ask } = await setUp();
  expect(await ask('one/exec?command=a', { upgrade: '' })).toEqual({
    status: 400,
    message: 'Upgrade request required',
  });
});

test('whoever may only get a pod’s commands runs none, though a WebSocket begins with a GET', async () => {
  const { ask, asked } = await setUp({
    authorize: ({ verb, subresource }) =>
      verb === 'create' && subresource !== '' ? { decision: 'noOpinion' } : { decision: 'allow' },
  } as Authorizer);
  expect(await ask('one/exec?command=a', { method: 'GET' })).toEqual({
    status: 403,
    message:
      'pods "one" is forbidden: User "admin" cannot create resource "pods/exec" in API group "" in the namespace "default"',
  });
  expect(asked).toEqual([]);
});
