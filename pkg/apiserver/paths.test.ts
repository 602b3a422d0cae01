/** Paths and methods: which of them are served, and the whole bodies of those that are not. */
import { beforeAll, expect, test } from 'vitest';
import { createDocumentProvider } from './discovery/provider.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ documents: createDocumentProvider });
  await server.call('POST', maps, { object: { metadata: { name: 'a' } } });
  await server.call('POST', pods, {
    object: { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  });
});

function failure(code: number, reason: string, message: string, details?: object): object {
  const told = details === undefined ? {} : { details };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, ...told, code };
}

const noResource = failure(404, 'NotFound', 'the server could not find the requested resource', {});
const noMethod = failure(
  405,
  'MethodNotAllowed',
  'the server does not allow this method on the requested resource',
  {},
);

test.each([
  // Of all namespaces at once there are lists and watches only.
  ['DELETE /api/v1/configmaps', noMethod],
  ['POST /api/v1/configmaps', noMethod],
  ['PATCH /api/v1/configmaps', noMethod],
  ['GET /api/v1/configmaps/a', noResource],
  // Below what has a name there is nothing.
  [`GET ${pods}/p/status/x`, noResource],
  [`DELETE ${pods}/p/status`, noMethod],
  [`GET ${maps}/a/b`, noResource],
  ['GET /api/v1/namespaces/default/nodes', noResource],
  ['GET /api/v1/namespaces/default/nodes/n/status', noResource],
  [`GET ${maps}/a%2Fb`, noResource],
  ['GET /api/v1/watch/namespaces/default/pods/p/status', noResource],
  // The older form of a watch.
  ['POST /api/v1/watch/pods', noMethod],
  ['DELETE /api/v1/watch/namespaces/default/configmaps/a', noMethod],
  // Names that no object can have.
  [`GET ${maps}/..`, failure(400, 'BadRequest', 'Name parameter invalid: "..": may not be \'..\'')],
  [`DELETE ${maps}/.`, failure(400, 'BadRequest', 'Name parameter invalid: ".": may not be \'.\'')],
  [`GET ${maps}/a%25b`, failure(400, 'BadRequest', 'Name parameter invalid: "a%b": may not contain \'%\'')],
  // Methods.
  ['OPTIONS /api/v1/pods', noMethod],
  [`TRACE ${maps}/a`, noMethod],
  [`PUT ${maps}`, noMethod],
  [`POST ${maps}/a`, noMethod],
  ['POST /version', noMethod],
  ['POST /api', noMethod],
  ['DELETE /apis/apps/v1', noMethod],
  ['HEAD /api/v1/nodes', noMethod],
  [`HEAD ${maps}/a`, noMethod],
  ['HEAD /api/v1/watch/pods', noMethod],
  ['HEAD /api', noMethod],
  ['HEAD /apis/apps/v1', noMethod],
  ['HEAD /version', noMethod],
  // Where there are routes.
  ['GET /api/v2', noResource],
  ['GET /api/v2/pods', noResource],
  ['GET /apis/apps/v9', noResource],
  ['GET /apis/apps/v9/deployments', noResource],
  ['GET /apis/apps/v1/nothing', noResource],
  ['GET /version/nothing', noResource],
  // Fault 65.
  ['TRACE /readyz', noMethod],
  ['PUT /readyz', noMethod],
  ['DELETE /readyz', noMethod],
  ['DELETE /livez/ping', noMethod],
  ['POST /metrics', noMethod],
])('%s is refused (faults 20, 65)', async (request, body) => {
  const [method = '', target = ''] = request.split(' ');
  const before = await server.store.currentRevision();
  const answer = await server.call(method, target);
  expect(answer.body).toEqual(body);
  expect(answer.status).toBe(answer.body.code);
  expect(await server.store.currentRevision()).toBe(before);
});

test.each([
  'GET /nothing',
  'POST /nothing',
  'GET //api/v1/pods',
  'GET //api/v1',
  'GET //version',
  'GET /apis/nothing.io',
  'GET /apis/nothing.io/v1',
  'GET /apis/nothing.io/v1/things',
  'GET /healthz/nothing',
  'GET /metrics/x',
])('%s is no page (fault 20)', async (request) => {
  const [method = '', target = ''] = request.split(' ');
  const { status, text, headers } = await server.call(method, target);
  expect([status, text, headers['content-type']]).toEqual([404, '404 page not found\n', 'text/plain; charset=utf-8']);
});

test.each([
  'GET /api/v1/pods/',
  `GET ${maps}/a/`,
  `GET ${maps}/%61`,
  'HEAD /readyz',
  'HEAD /livez/ping',
  'POST /readyz',
])('%s is served', async (request) => {
  const [method = '', target = ''] = request.split(' ');
  expect((await server.call(method, target)).status).toBe(200);
});

test('a binding in the collection of bindings is one of the pod it names', async () => {
  const bindings = '/api/v1/namespaces/default/bindings';
  const bind = (metadata: object) => server.call('POST', bindings, { object: { metadata, target: { name: 'n' } } });
  expect((await bind({ name: 'none' })).body.message).toBe('pods "none" not found');
  expect((await bind({})).body.message).toBe(
    'Binding "" is invalid: metadata.name: Required value: name or generateName is required',
  );
  const { body: pod } = await server.call('GET', `${pods}/p`);
  expect((await bind({ name: 'p', uid: 'x' })).body.message).toBe(
    `Operation cannot be fulfilled on pods "p": StorageError: invalid object, Code: 4, Key: /registry/pods/default/p, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: ${pod.metadata.uid}`,
  );
  expect((await bind({ name: 'p', resourceVersion: '1' })).body.message).toContain(
    `ResourceVersion in precondition: 1, ResourceVersion in object meta: ${pod.metadata.resourceVersion}`,
  );
  expect((await bind({ name: 'p', uid: pod.metadata.uid })).body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    code: 201,
  });
  expect((await server.call('GET', `${pods}/p`)).body.spec.nodeName).toBe('n');
});
