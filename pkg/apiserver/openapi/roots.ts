/** OpenAPI paths of what is no resource: the lists of versions, groups and resources, and the version of the server. Source: apiserver `genericapiserver` roots. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { capital, groupName } from './names.ts';
import { type SchemaWriter, versionInfoType } from './schemas.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** A path without parameters. */
export interface RootPath {
  readonly path: string;
  readonly tag: string;
  readonly id: string;
  readonly does: string;
  readonly answer: string;
}

/** The resources of one group and version. */
export function resourcesRoot({ group, version }: { readonly group: string; readonly version: string }): RootPath {
  const name = groupName(group);
  return {
    path: group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`,
    tag: `${name}_${version}`,
    id: `get${capital(name)}${capital(version)}APIResources`,
    does: 'list the resources of the version',
    answer: `${meta}.APIResourceList`,
  };
}

/** By the path of their document in version 3: what is above the groups and versions. */
export function otherRoots(groups: readonly string[]): ReadonlyMap<string, RootPath> {
  const named = [...new Set(groups)].filter((group) => group !== '');
  return new Map<string, RootPath>([
    [
      'api',
      {
        path: '/api/',
        tag: 'core',
        id: 'getCoreAPIVersions',
        does: 'list the versions',
        answer: `${meta}.APIVersions`,
      },
    ],
    [
      'apis',
      { path: '/apis/', tag: 'apis', id: 'getAPIVersions', does: 'list the groups', answer: `${meta}.APIGroupList` },
    ],
    [
      'version',
      {
        path: '/version/',
        tag: 'version',
        id: 'getCodeVersion',
        does: 'say the version of the server',
        answer: versionInfoType,
      },
    ],
    ...named.map((group): [string, RootPath] => [
      `apis/${group}`,
      {
        path: `/apis/${group}/`,
        tag: groupName(group),
        id: `get${capital(groupName(group))}APIGroup`,
        does: 'list the versions of the group',
        answer: `${meta}.APIGroup`,
      },
    ]),
  ]);
}

/** The item of such a path in one version of OpenAPI. */
export function rootItem(version: 'v2' | 'v3', root: RootPath, schemas: SchemaWriter): JsonObject {
  const types =
    root.answer === versionInfoType
      ? ['application/json']
      : ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
  const schema = schemas.ref(root.answer);
  const unauthorized = { description: 'Unauthorized' };
  const common = { description: root.does, tags: [root.tag], operationId: root.id };
  if (version === 'v2') {
    const responses = { 200: { description: 'OK', schema }, 401: unauthorized };
    return { get: { ...common, schemes: ['https'], consumes: types, produces: types, responses } };
  }
  const content = Object.fromEntries(types.map((type) => [type, { schema }]));
  return { get: { ...common, responses: { 200: { description: 'OK', content }, 401: unauthorized } } };
}
