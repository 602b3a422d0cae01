/**
 * OpenAPI paths of a resource: what clients look up there is which verbs exist, for which kind, with which parameters.
 * Source: apiserver `endpoints/installer.go`; the published OpenAPI of Kubernetes.
 */
import { kindFact } from '#pkg/api/facts.ts';
import type { SubresourceInfo } from '#pkg/api/resources.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ServedInfo } from '../definition.ts';
import type { OpenApiVersion, SchemaWriter } from './schemas.ts';

type ParameterType = 'boolean' | 'integer' | 'string';

const listParameters: Readonly<Record<string, ParameterType>> = {
  allowWatchBookmarks: 'boolean',
  continue: 'string',
  fieldSelector: 'string',
  labelSelector: 'string',
  limit: 'integer',
  resourceVersion: 'string',
  resourceVersionMatch: 'string',
  sendInitialEvents: 'boolean',
  timeoutSeconds: 'integer',
  watch: 'boolean',
};
const writeParameters: Readonly<Record<string, ParameterType>> = {
  dryRun: 'string',
  fieldManager: 'string',
  fieldValidation: 'string',
};
const deleteParameters: Readonly<Record<string, ParameterType>> = {
  dryRun: 'string',
  gracePeriodSeconds: 'integer',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
  orphanDependents: 'boolean',
  propagationPolicy: 'string',
};

const patchTypes = [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];
const objectTypes = ['application/json', 'application/yaml'];

/** The type that carries options of deletions. */
export const deleteOptionsType = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
/** The type of a body that is not an object. */
export const statusType = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';

/** The name of the type of a subresource's bodies, when it has one. */
export function typeOfSubresource(info: ServedInfo, subresource: SubresourceInfo): string | undefined {
  const { group, version, kind } = subresource;
  if (group === info.group && version === info.version && kind === info.kind) return info.type;
  return kindFact({ group, version, kind })?.type;
}

interface Target {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

interface OperationSpec {
  readonly action: string;
  readonly target: Target;
  readonly parameters: Readonly<Record<string, ParameterType>>;
  /** Type of the body; undefined for none. */
  readonly body?: string;
  readonly bodyTypes?: readonly string[];
  readonly answer: string | undefined;
  readonly id: string;
}

/** Writes the paths of one version of OpenAPI. */
export class PathWriter {
  readonly #version: OpenApiVersion;
  readonly #schemas: SchemaWriter;

  constructor(version: OpenApiVersion, schemas: SchemaWriter) {
    this.#version = version;
    this.#schemas = schemas;
  }

  /** The paths of a resource and its subresources. */
  paths(info: ServedInfo): Readonly<Record<string, JsonObject>> {
    const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
    const base = info.namespaced ? `${root}/namespaces/{namespace}/${info.resource}` : `${root}/${info.resource}`;
    const own = info.namespaced ? ['namespace'] : [];
    const paths: Record<string, JsonObject> = {};
    const add = (path: string, item: JsonObject, names: readonly string[]): void => {
      if (Object.keys(item).length > 0) paths[path] = { ...item, parameters: this.#pathParameters(names) };
    };
    add(base, this.#collection(info), own);
    add(`${base}/{name}`, this.#single(info), ['name', ...own]);
    if (info.namespaced && info.verbs.includes('list')) add(`${root}/${info.resource}`, this.#listAll(info), []);
    for (const subresource of info.subresources) {
      add(`${base}/{name}/${subresource.name}`, this.#subresource(info, subresource), ['name', ...own]);
    }
    return paths;
  }

  #collection(info: ServedInfo): JsonObject {
    const item: JsonObject = {};
    const scope = info.namespaced ? 'Namespaced' : '';
    const common = { target: info };
    if (info.verbs.includes('list')) {
      item.get = this.#operation({
        ...common,
        action: 'list',
        parameters: listParameters,
        answer: info.listType,
        id: `list${idOf(info)}${scope}${info.kind}`,
      });
    }
    if (info.verbs.includes('create')) {
      item.post = this.#operation({
        ...common,
        action: 'post',
        parameters: writeParameters,
        body: info.type,
        answer: info.type,
        id: `create${idOf(info)}${scope}${info.kind}`,
      });
    }
    if (info.verbs.includes('deletecollection')) {
      item.delete = this.#operation({
        ...common,
        action: 'deletecollection',
        parameters: { ...listParameters, ...deleteParameters },
        body: deleteOptionsType,
        answer: statusType,
        id: `delete${idOf(info)}Collection${scope}${info.kind}`,
      });
    }
    return item;
  }

  #listAll(info: ServedInfo): JsonObject {
    const id = `list${idOf(info)}${info.kind}ForAllNamespaces`;
    const answer = info.listType;
    return { get: this.#operation({ action: 'list', target: info, parameters: listParameters, answer, id }) };
  }

  #single(info: ServedInfo): JsonObject {
    const verbs = info.verbs.filter((verb) => verb === 'get' || verb === 'update' || verb === 'patch');
    const item = this.#readWrite(info, { target: info, type: info.type, verbs, suffix: info.kind });
    if (info.verbs.includes('delete')) {
      item.delete = this.#operation({
        action: 'delete',
        target: info,
        parameters: deleteParameters,
        body: deleteOptionsType,
        answer: statusType,
        id: `delete${idOf(info)}${info.namespaced ? 'Namespaced' : ''}${info.kind}`,
      });
    }
    return item;
  }

  #subresource(info: ServedInfo, subresource: SubresourceInfo): JsonObject {
    const type = typeOfSubresource(info, subresource);
    const suffix = `${info.kind}${subresource.name[0]!.toUpperCase()}${subresource.name.slice(1)}`;
    const { verbs } = subresource;
    return this.#readWrite(info, { target: subresource, type, verbs, suffix });
  }

  #readWrite(
    info: ServedInfo,
    what: { target: Target; type: string | undefined; verbs: readonly string[]; suffix: string },
  ): JsonObject {
    const { target, type, verbs } = what;
    const item: JsonObject = {};
    const suffix = `${idOf(info)}${info.namespaced ? 'Namespaced' : ''}${what.suffix}`;
    const common = { target, answer: type };
    const withBody = type === undefined ? {} : { body: type };
    if (verbs.includes('get')) {
      item.get = this.#operation({ ...common, action: 'get', parameters: {}, id: `read${suffix}` });
    }
    if (verbs.includes('update')) {
      item.put = this.#operation({
        ...common,
        ...withBody,
        action: 'put',
        parameters: writeParameters,
        id: `replace${suffix}`,
      });
    }
    if (verbs.includes('create')) {
      item.post = this.#operation({
        ...common,
        ...withBody,
        action: 'post',
        parameters: writeParameters,
        id: `create${suffix}`,
      });
    }
    if (verbs.includes('patch')) {
      item.patch = this.#operation({
        ...common,
        action: 'patch',
        parameters: { ...writeParameters, force: 'boolean' },
        body: '',
        bodyTypes: patchTypes,
        id: `patch${suffix}`,
      });
    }
    return item;
  }

  #operation(spec: OperationSpec): JsonObject {
    const { group, version, kind } = spec.target;
    const answer = spec.answer === undefined ? { type: 'string' } : this.#schemas.ref(spec.answer);
    const bodySchema = spec.body === undefined || spec.body === '' ? { type: 'object' } : this.#schemas.ref(spec.body);
    const query = Object.entries(spec.parameters).map(([name, type]) => this.#queryParameter(name, type));
    const common = {
      operationId: spec.id,
      'x-kubernetes-action': spec.action,
      'x-kubernetes-group-version-kind': { group, kind, version },
    };
    const types = spec.bodyTypes ?? objectTypes;
    if (this.#version === 'v2') {
      const body = { name: 'body', in: 'body', ...(needsBody(spec) ? { required: true } : {}), schema: bodySchema };
      return {
        ...common,
        consumes: spec.body === undefined ? ['*/*'] : [...types],
        produces: [...objectTypes],
        parameters: [...query, ...(spec.body === undefined ? [] : [body])],
        responses: { 200: { description: 'OK', schema: answer } },
      };
    }
    const content = (names: readonly string[], schema: JsonObject): JsonObject =>
      Object.fromEntries(names.map((name) => [name, { schema }]));
    return {
      ...common,
      parameters: query,
      ...(spec.body === undefined
        ? {}
        : { requestBody: { content: content(types, bodySchema), ...(needsBody(spec) ? { required: true } : {}) } }),
      responses: { 200: { description: 'OK', content: content(objectTypes, answer) } },
    };
  }

  #queryParameter(name: string, type: ParameterType): JsonObject {
    return this.#parameter({ name, in: 'query' }, type);
  }

  #pathParameters(names: readonly string[]): readonly JsonObject[] {
    const own = names.map((name) => this.#parameter({ name, in: 'path', required: true }, 'string'));
    return [...own, this.#queryParameter('pretty', 'string')];
  }

  #parameter(parameter: JsonObject, type: ParameterType): JsonObject {
    const typed = { type, uniqueItems: true };
    return this.#version === 'v2' ? { ...parameter, ...typed } : { ...parameter, schema: typed };
  }
}

function needsBody(spec: OperationSpec): boolean {
  return spec.action !== 'delete' && spec.action !== 'deletecollection';
}

/** `CoreV1`, `AppsV1`: the middle of operation names. */
function idOf({ group, version }: { readonly group: string; readonly version: string }): string {
  const [first = ''] = (group === '' ? 'core' : group).split('.');
  return `${first[0]!.toUpperCase()}${first.slice(1)}${version[0]!.toUpperCase()}${version.slice(1)}`;
}
