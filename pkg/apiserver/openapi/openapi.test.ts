import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { servedInfos } from '../testing/served-infos.ts';
import { parseDeclarations } from './descriptions.ts';
import { encodeOpenApiV2 } from './protobuf.ts';
import { OpenApiProvider } from './provider.ts';

const served = servedInfos();
const provider = new OpenApiProvider({ generation: 1, list: () => served });

function get(target: string, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse> {
  const [path = '', query = ''] = target.split('?');
  const signal = new AbortController().signal;
  return provider.handle(path, { method: 'GET', path, query, headers, peer: { address: '' }, signal });
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape.
async function json(target: string): Promise<any> {
  const { body } = await get(target);
  if (body.kind === 'object') return body.object;
  return body.kind === 'bytes' ? JSON.parse(Buffer.from(body.bytes).toString()) : undefined;
}

test('a field has its type, its description and its merge rules', async () => {
  const { components } = await json('/openapi/v3/api/v1');
  const { containers, nodeName } = components.schemas['io.k8s.api.core.v1.PodSpec'].properties;
  expect(containers).toEqual({
    description: expect.stringContaining('List of containers belonging to the pod.'),
    type: 'array',
    items: { allOf: [{ $ref: '#/components/schemas/io.k8s.api.core.v1.Container' }], default: {} },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge',
  });
  expect(nodeName).toEqual({ description: expect.stringContaining('NodeName'), type: 'string' });
});

test('what may be of several types has a type of its own, as explain does not print what has none', async () => {
  const { components } = await json('/openapi/v3/apis/apiextensions.k8s.io/v1');
  const prefix = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';
  const ref = (name: string) => ({ allOf: [{ $ref: `#/components/schemas/${prefix}.${name}` }] });
  const { properties } = components.schemas[`${prefix}.JSONSchemaProps`];
  expect([properties.items, properties.additionalProperties, properties.enum.items, properties.default]).toEqual([
    ref('JSONSchemaPropsOrArray'),
    ref('JSONSchemaPropsOrBool'),
    ref('JSON'),
    { description: expect.any(String), ...ref('JSON') },
  ]);
  expect(properties.dependencies.additionalProperties).toEqual(ref('JSONSchemaPropsOrStringArray'));
});

test('strings that take no other values show all of them, in lists too, and others show none (fault 17)', async () => {
  for (const schemas of [
    (await json('/openapi/v3/api/v1')).components.schemas,
    (await json('/openapi/v2')).definitions,
  ]) {
    const property = (type: string, field: string) => schemas[`io.k8s.api.core.v1.${type}`].properties[field];
    const { description, enum: values } = property('ServicePort', 'protocol');
    expect(values).toEqual(['SCTP', 'TCP', 'UDP']);
    expect(description).toMatch(/\n\nPossible enum values:\n - `"SCTP"`\n - `"TCP"`\n - `"UDP"`$/);
    const modes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
    expect(property('PersistentVolumeClaimSpec', 'accessModes').items.enum).toEqual(modes);
    expect(property('NodeAddress', 'type').enum).toBeUndefined();
  }
  const { components } = await json('/openapi/v3/apis/networking.k8s.io/v1');
  const { pathType } = components.schemas['io.k8s.api.networking.v1.HTTPIngressPath'].properties;
  expect(pathType.enum).toEqual(['Exact', 'ImplementationSpecific', 'Prefix']);
});

test('sets of fields are a type of their own, unions say so, and kinds of options are those of every group (fault 17)', async () => {
  const { definitions } = await json('/openapi/v2');
  const type = (name: string) => definitions[`io.k8s.apimachinery.pkg.apis.meta.v1.${name}`];
  expect(type('ManagedFieldsEntry').properties.fieldsV1).toMatchObject({
    $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1',
  });
  expect(type('FieldsV1')).toEqual({ description: expect.stringContaining('FieldsV1 stores'), type: 'object' });
  expect(definitions['io.k8s.api.core.v1.SeccompProfile']['x-kubernetes-unions']).toEqual([
    { discriminator: 'type', 'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' } },
  ]);
  const kinds = 'x-kubernetes-group-version-kind';
  expect([type('DeleteOptions'), type('WatchEvent')].map((one) => one[kinds].length)).toEqual([60, 60]);
  expect(type('Status')[kinds]).toEqual([{ group: '', kind: 'Status', version: 'v1' }]);
});

test('version 2 shows no defaults, version 3 does (fault 17)', async () => {
  const port = 'io.k8s.api.core.v1.ServicePort';
  expect((await json('/openapi/v2')).definitions[port].properties.protocol.default).toBeUndefined();
  expect((await json('/openapi/v3/api/v1')).components.schemas[port].properties.protocol.default).toBe('TCP');
});

test('what one dependency does not describe, the other does (fault 17)', async () => {
  const { components } = await json('/openapi/v3/api/v1');
  const { description } = components.schemas['io.k8s.api.core.v1.PodCertificateProjection'];
  expect(description).toContain('PodCertificateProjection provides');
});

test('every reference leads to a schema, in both versions', async () => {
  const v3 = await json('/openapi/v3/apis/apps/v1');
  const v2 = await json('/openapi/v2');
  const names = (document: object): Set<string> =>
    new Set(
      [...JSON.stringify(document).matchAll(/"#\/(?:components\/schemas|definitions)\/([^"]+)"/g)].map(
        (match) => match[1]!,
      ),
    );
  expect([...names(v3)].filter((name) => v3.components.schemas[name] === undefined)).toEqual([]);
  expect([...names(v2)].filter((name) => v2.definitions[name] === undefined)).toEqual([]);
});

test('a patch says that it knows fieldValidation, which is how kubectl decides who validates', async () => {
  const { paths } = await json('/openapi/v3/apis/apps/v1');
  const { patch } = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'];
  expect(patch.parameters.map(({ name }: { name: string }) => name)).toContain('fieldValidation');
  expect([patch['x-kubernetes-action'], patch['x-kubernetes-group-version-kind'], patch.operationId]).toEqual([
    'patch',
    { group: 'apps', kind: 'Deployment', version: 'v1' },
    'patchAppsV1NamespacedDeployment',
  ]);
});

test('the index names a document by its hash, under which it never changes', async () => {
  const { paths } = await json('/openapi/v3');
  const url = paths['apis/apps/v1'].serverRelativeURL;
  const answer = await get(url);
  const again = await get(url, { 'if-none-match': answer.headers.etag! });
  expect([answer.status, answer.headers['cache-control'], again.status]).toEqual([200, 'public, immutable', 304]);
  expect((await get('/openapi/v3/apis/none/v1')).status).toBe(404);
});

test('the index has a tag of its own, by which a client learns that nothing has changed', async () => {
  const { status, headers } = await get('/openapi/v3');
  expect([status, headers['content-type']]).toEqual([200, 'application/json']);
  expect((await get('/openapi/v3', { 'if-none-match': headers.etag! })).status).toBe(304);
  expect((await get('/openapi/v3', { 'if-none-match': '"other"' })).status).toBe(200);
});

test('a wrong hash is told the right one (fault 17)', async () => {
  const { paths } = await json('/openapi/v3');
  const { serverRelativeURL: url } = paths['api/v1'];
  const { status, headers } = await get('/openapi/v3/api/v1?hash=0000');
  expect([status, headers.location]).toEqual([301, url]);
  expect((await get(url)).status).toBe(200);
  expect((await get('/openapi/v3/api/v1')).status).toBe(200);
});

test('the roots are documented, each in a document of its own in version 3 (fault 17)', async () => {
  const index = Object.keys((await json('/openapi/v3')).paths);
  expect(index).toEqual(expect.arrayContaining(['api', 'api/v1', 'apis', 'apis/apps', 'apis/apps/v1', 'version']));
  const { paths, components } = await json('/openapi/v3/apis/apps');
  expect([Object.keys(paths), paths['/apis/apps/'].get.operationId]).toEqual([['/apis/apps/'], 'getAppsAPIGroup']);
  expect(Object.keys(components.schemas)).toContain('io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup');
  const v2 = (await json('/openapi/v2')).paths;
  const ids = ['/api/', '/apis/', '/version/', '/api/v1/', '/apis/rbac.authorization.k8s.io/v1/'];
  expect(ids.map((path) => v2[path].get.operationId)).toEqual([
    'getCoreAPIVersions',
    'getAPIVersions',
    'getCodeVersion',
    'getCoreV1APIResources',
    'getRbacAuthorizationV1APIResources',
  ]);
});

test.each(['v2', 'v3/api/v1'])(
  '%s has watches, connections with their parameters, and what an operation answers (fault 17)',
  async (document) => {
    const { paths } = await json(`/openapi/${document}`);
    const pods = '/api/v1/namespaces/{namespace}/pods';
    const watches = [
      '/api/v1/watch/pods',
      '/api/v1/watch/namespaces/{namespace}/pods',
      '/api/v1/watch/namespaces/{namespace}/pods/{name}',
      '/api/v1/watch/nodes',
    ];
    expect(watches.map((path) => [paths[path].get.operationId, paths[path].get['x-kubernetes-action']])).toEqual([
      ['watchCoreV1PodListForAllNamespaces', 'watchlist'],
      ['watchCoreV1NamespacedPodList', 'watchlist'],
      ['watchCoreV1NamespacedPod', 'watch'],
      ['watchCoreV1NodeList', 'watchlist'],
    ]);
    const named = (path: string): readonly string[] => paths[path].parameters.map(({ name }: { name: string }) => name);
    expect(named(`${pods}/{name}/log`)).toEqual(
      expect.arrayContaining(['container', 'follow', 'tailLines', 'sinceSeconds']),
    );
    expect(named(`${pods}/{name}/exec`)).toEqual(expect.arrayContaining(['command', 'stdin', 'tty']));
    const { get: exec, post } = paths[`${pods}/{name}/exec`];
    expect([
      exec.operationId,
      post.operationId,
      exec['x-kubernetes-action'],
      exec['x-kubernetes-group-version-kind'].kind,
    ]).toEqual([
      'connectCoreV1GetNamespacedPodExec',
      'connectCoreV1PostNamespacedPodExec',
      'connect',
      'PodExecOptions',
    ]);
    expect(paths[`${pods}/{name}/log`].get.operationId).toBe('readCoreV1NamespacedPodLog');
    expect(Object.keys(paths[`${pods}/{name}/proxy/{path}`])).toEqual(expect.arrayContaining(['get', 'put', 'delete']));
    const create = paths[pods].post;
    expect([Object.keys(create.responses), create.tags]).toEqual([['200', '201', '202', '401'], ['core_v1']]);
    const textOf = (operation: object): string => JSON.stringify(operation);
    expect(textOf(paths[`${pods}/{name}`].delete.responses[200])).toContain('io.k8s.api.core.v1.Pod"');
    expect(textOf(paths['/api/v1/namespaces/{namespace}/configmaps/{name}'].delete.responses[200])).toContain(
      'meta.v1.Status"',
    );
    expect(textOf(paths[`${pods}/{name}`].patch)).toContain('meta.v1.Patch"');
    expect(textOf(paths)).not.toContain('"parameters":[]');
  },
);

test('version 2 has the paths of every version, and says how clients say who they are (fault 17)', async () => {
  const { paths, security, securityDefinitions } = await json('/openapi/v2');
  expect(Object.keys(paths).length).toBeGreaterThan(380);
  expect([security, securityDefinitions.BearerToken.name]).toEqual([[{ BearerToken: [] }], 'authorization']);
  const { components } = await json('/openapi/v3/api/v1');
  expect(components.securitySchemes.BearerToken.in).toBe('header');
});

test('who asks for protobuf gets it', async () => {
  const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const { headers, body } = await get('/openapi/v2', { accept });
  const bytes = body.kind === 'bytes' ? Buffer.from(body.bytes) : Buffer.alloc(0);
  expect(headers['content-type']).toBe('application/com.github.proto-openapi.spec.v2.v1.0+protobuf');
  expect(bytes.subarray(0, 5)).toEqual(Buffer.from([0x0a, 3, ...Buffer.from('2.0')]));
});

test('a document in protobuf has the fields where gnostic has them', () => {
  const encoded = encodeOpenApiV2({
    swagger: '2.0',
    info: { title: 'T', version: 'v' },
    paths: { '/a': { get: { operationId: 'g', responses: {}, 'x-a': 1 } } },
    definitions: { D: { type: 'string' } },
  });
  const hex = Buffer.from(encoded).toString('hex');
  const operation = [
    '2a0167', // operation_id (5)
    '4a00', // responses (9)
    '6a0a0a03782d6112031201' + '31', // vendor_extension (13): a name (1) and a value (2) as YAML (2)
  ].join('');
  const get = `12${byteCount(operation)}${operation}`; // PathItem.get (2)
  const path = `0a022f6112${byteCount(get)}${get}`; // NamedPathItem: name (1), value (2)
  const paths = `12${byteCount(path)}${path}`; // Paths.path (2)
  const schema = 'b201080a06737472696e67'; // Schema.type (22): value (1)
  const named = `0a014412${byteCount(schema)}${schema}`; // NamedSchema: name (1), value (2)
  const definitions = `0a${byteCount(named)}${named}`; // Definitions.additional_properties (1)
  expect(hex).toBe(
    [
      '0a03322e30', // swagger (1)
      '12060a0154120176', // info (2): title (1), version (2)
      `42${byteCount(paths)}${paths}`, // paths (8)
      `4a${byteCount(definitions)}${definitions}`, // definitions (9)
    ].join(''),
  );
});

/** The length of what a hex text stands for, as hex. */
function byteCount(hex: string): string {
  return (hex.length / 2).toString(16).padStart(2, '0');
}

test('descriptions are read from declarations', () => {
  const source = `import { X } from "./X";
/**
 * A thing.
 */
export interface IThing {
    /**
     * The name.
     *
     * - \\* one
     */
    "name"?: string;
    "kind": "Thing";
}
/**
 * Another.
 */
export declare class Thing {}`;
  expect(parseDeclarations(source)).toEqual({ text: 'A thing.', fields: new Map([['name', 'The name.\n\n- * one']]) });
});
