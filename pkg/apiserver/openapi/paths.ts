/**
 * OpenAPI paths of a resource: what clients look up there is which verbs exist, for which kind, with which parameters.
 * Source: apiserver `endpoints/installer.go`; the published OpenAPI of Kubernetes.
 */
import { kindFact, typeFacts } from '#pkg/api/facts.ts';
import type { SubresourceInfo } from '#pkg/api/resources.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ServedInfo } from '../definition.ts';
import { capital, fieldsOf, idOf, type Parameters, type ParameterType, tagOf } from './names.ts';
import { type OpenApiVersion, patchType, type SchemaWriter, watchEventType } from './schemas.ts';

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
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];
const anyType = ['*/*'];
const objectTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const watchTypes = [
  ...objectTypes,
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
];

/** What answers besides 200 an operation may have. */
const otherAnswers: Readonly<Record<string, readonly (readonly [code: number, what: string])[]>> = {
  delete: [[202, 'Accepted']],
  patch: [[201, 'Created']],
  post: [
    [201, 'Created'],
    [202, 'Accepted'],
  ],
  put: [[201, 'Created']],
};

/** Methods of connections by their verbs. */
const connectMethods: readonly (readonly [verb: string, method: string])[] = [
  ['create', 'post'],
  ['delete', 'delete'],
  ['get', 'get'],
  ['patch', 'patch'],
  ['update', 'put'],
];

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
  /** Default: those of objects. */
  readonly answerTypes?: readonly string[];
  readonly id: string;
  /** In a few words. */
  readonly does: string;
  /** The group and version that it belongs to. */
  readonly of: { readonly group: string; readonly version: string };
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
    const add = (path: string, item: JsonObject, names: readonly string[], query: Parameters = {}): void => {
      if (Object.keys(item).length > 0) paths[path] = { ...item, parameters: this.#pathParameters(names, query) };
    };
    add(base, this.#collection(info), own);
    add(`${base}/{name}`, this.#single(info), ['name', ...own]);
    if (info.namespaced && info.verbs.includes('list')) add(`${root}/${info.resource}`, this.#listAll(info), []);
    for (const subresource of info.subresources) {
      const path = `${base}/{name}/${subresource.name}`;
      const connection = info.connections[subresource.name];
      if (connection === undefined) add(path, this.#subresource(info, subresource), ['name', ...own]);
      else {
        const { options, takesPath } = connection;
        const query = fieldsOf(options);
        add(path, this.#connection(info, { subresource, options }), ['name', ...own], query);
        const deeper = { subresource, options, withPath: true };
        if (takesPath) add(`${path}/{path}`, this.#connection(info, deeper), ['name', ...own, 'path'], query);
      }
    }
    this.#addWatches(info, { root, own }, add);
    return paths;
  }

  /** Watches as they were asked for before lists could be watched. Those of resources that come and go are not documented. */
  #addWatches(
    info: ServedInfo,
    { root, own }: { readonly root: string; readonly own: readonly string[] },
    add: (path: string, item: JsonObject, names: readonly string[], query: Parameters) => void,
  ): void {
    if (!info.verbs.includes('watch') || !Object.hasOwn(typeFacts, info.type)) return;
    const base = info.namespaced
      ? `${root}/watch/namespaces/{namespace}/${info.resource}`
      : `${root}/watch/${info.resource}`;
    const scope = info.namespaced ? 'Namespaced' : '';
    const watch = (action: string, id: string): JsonObject => ({
      get: this.#operation({
        action,
        target: info,
        of: info,
        parameters: {},
        answer: watchEventType,
        answerTypes: watchTypes,
        id: `watch${idOf(info)}${id}`,
        does: `watch ${action === 'watch' ? 'one' : 'a list of'} ${info.kind}; deprecated: list with the parameter watch`,
      }),
    });
    add(base, watch('watchlist', `${scope}${info.kind}List`), own, listParameters);
    add(`${base}/{name}`, watch('watch', `${scope}${info.kind}`), ['name', ...own], listParameters);
    if (!info.namespaced) return;
    const all = watch('watchlist', `${info.kind}ListForAllNamespaces`);
    add(`${root}/watch/${info.resource}`, all, [], listParameters);
  }

  /** A connection is asked for in any of its methods; a log is read, as what it is of. */
  #connection(
    info: ServedInfo,
    {
      subresource,
      options,
      withPath = false,
    }: { readonly subresource: SubresourceInfo; readonly options: Target; readonly withPath?: boolean },
  ): JsonObject {
    const isRead = subresource.kind !== options.kind;
    const scope = info.namespaced ? 'Namespaced' : '';
    const name = `${scope}${info.kind}${capital(subresource.name)}${withPath ? 'WithPath' : ''}`;
    const methods = connectMethods.filter(([verb]) => subresource.verbs.some((one) => one === verb));
    return Object.fromEntries(
      methods.map(([, method]) => [
        method,
        this.#operation({
          action: isRead ? 'get' : 'connect',
          target: isRead ? info : options,
          of: info,
          parameters: {},
          answer: undefined,
          answerTypes: isRead ? ['text/plain', ...objectTypes] : anyType,
          id: isRead ? `read${idOf(info)}${name}` : `connect${idOf(info)}${capital(method)}${name}`,
          does: isRead
            ? `read ${subresource.name} of the specified ${info.kind}`
            : `connect to ${subresource.name} of ${info.kind}`,
        }),
      ]),
    );
  }

  #collection(info: ServedInfo): JsonObject {
    const item: JsonObject = {};
    const scope = info.namespaced ? 'Namespaced' : '';
    const common = { target: info, of: info };
    if (info.verbs.includes('list')) {
      item.get = this.#operation({
        ...common,
        action: 'list',
        parameters: listParameters,
        answer: info.listType,
        ...(info.verbs.includes('watch') ? { answerTypes: watchTypes } : {}),
        id: `list${idOf(info)}${scope}${info.kind}`,
        does: `list or watch objects of kind ${info.kind}`,
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
        does: `create a ${info.kind}`,
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
        does: `delete a collection of ${info.kind}`,
      });
    }
    return item;
  }

  #listAll(info: ServedInfo): JsonObject {
    const id = `list${idOf(info)}${info.kind}ForAllNamespaces`;
    const answer = info.listType;
    const answerTypes = info.verbs.includes('watch') ? watchTypes : objectTypes;
    const does = `list or watch objects of kind ${info.kind} of all namespaces`;
    const common = { action: 'list', target: info, of: info, parameters: listParameters };
    return { get: this.#operation({ ...common, answer, answerTypes, id, does }) };
  }

  #single(info: ServedInfo): JsonObject {
    const verbs = info.verbs.filter((verb) => verb === 'get' || verb === 'update' || verb === 'patch');
    const item = this.#readWrite(info, { target: info, type: info.type, verbs, suffix: info.kind });
    if (info.verbs.includes('delete')) {
      item.delete = this.#operation({
        action: 'delete',
        target: info,
        parameters: deleteParameters,
        of: info,
        body: deleteOptionsType,
        answer: info.returnsDeleted ? info.type : statusType,
        id: `delete${idOf(info)}${info.namespaced ? 'Namespaced' : ''}${info.kind}`,
        does: `delete a ${info.kind}`,
      });
    }
    return item;
  }

  #subresource(info: ServedInfo, subresource: SubresourceInfo): JsonObject {
    const type = typeOfSubresource(info, subresource);
    const suffix = `${info.kind}${capital(subresource.name)}`;
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
    const common = { target, answer: type, of: info };
    const withBody = type === undefined ? {} : { body: type };
    if (verbs.includes('get')) {
      item.get = this.#operation({
        ...common,
        action: 'get',
        parameters: {},
        id: `read${suffix}`,
        does: `read ${what.suffix}`,
      });
    }
    if (verbs.includes('update')) {
      item.put = this.#operation({
        ...common,
        ...withBody,
        action: 'put',
        parameters: writeParameters,
        id: `replace${suffix}`,
        does: `replace ${what.suffix}`,
      });
    }
    if (verbs.includes('create')) {
      item.post = this.#operation({
        ...common,
        ...withBody,
        action: 'post',
        parameters: writeParameters,
        id: `create${suffix}`,
        does: `create ${what.suffix}`,
      });
    }
    if (verbs.includes('patch')) {
      item.patch = this.#operation({
        ...common,
        action: 'patch',
        parameters: { ...writeParameters, force: 'boolean' },
        body: patchType,
        bodyTypes: patchTypes,
        id: `patch${suffix}`,
        does: `change parts of ${what.suffix}`,
      });
    }
    return item;
  }

  #operation(spec: OperationSpec): JsonObject {
    const { group, version, kind } = spec.target;
    const answer = spec.answer === undefined ? { type: 'string' } : this.#schemas.ref(spec.answer);
    const bodySchema = spec.body === undefined ? {} : this.#schemas.ref(spec.body);
    const query = Object.entries(spec.parameters).map(([name, type]) => this.#queryParameter(name, type));
    const common = {
      description: spec.does,
      tags: [tagOf(spec.of)],
      operationId: spec.id,
      'x-kubernetes-action': spec.action,
      'x-kubernetes-group-version-kind': { group, kind, version },
    };
    const types = spec.bodyTypes ?? anyType;
    const answerTypes = spec.answerTypes ?? objectTypes;
    const codes = [[200, 'OK'] as const, ...(otherAnswers[spec.action] ?? [])];
    if (this.#version === 'v2') {
      const body = { name: 'body', in: 'body', ...(needsBody(spec) ? { required: true } : {}), schema: bodySchema };
      return {
        ...common,
        schemes: ['https'],
        consumes: spec.body === undefined ? anyType : [...types],
        produces: [...answerTypes],
        ...(query.length + (spec.body === undefined ? 0 : 1) === 0
          ? {}
          : { parameters: [...query, ...(spec.body === undefined ? [] : [body])] }),
        responses: {
          ...Object.fromEntries(codes.map(([code, description]) => [code, { description, schema: answer }])),
          401: unauthorized,
        },
      };
    }
    const content = (names: readonly string[], schema: JsonObject): JsonObject =>
      Object.fromEntries(names.map((name) => [name, { schema }]));
    return {
      ...common,
      ...(query.length === 0 ? {} : { parameters: query }),
      ...(spec.body === undefined
        ? {}
        : { requestBody: { content: content(types, bodySchema), ...(needsBody(spec) ? { required: true } : {}) } }),
      responses: {
        ...Object.fromEntries(
          codes.map(([code, description]) => [code, { description, content: content(answerTypes, answer) }]),
        ),
        401: unauthorized,
      },
    };
  }

  #queryParameter(name: string, type: ParameterType): JsonObject {
    return this.#parameter({ name, in: 'query' }, type);
  }

  #pathParameters(names: readonly string[], query: Parameters): readonly JsonObject[] {
    const own = names.map((name) => this.#parameter({ name, in: 'path', required: true }, 'string'));
    const all = Object.entries({ ...query, pretty: 'string' } satisfies Parameters);
    return [...own, ...all.map(([name, type]) => this.#queryParameter(name, type))];
  }

  #parameter(parameter: JsonObject, type: ParameterType): JsonObject {
    const typed = { type, uniqueItems: true };
    return this.#version === 'v2' ? { ...parameter, ...typed } : { ...parameter, schema: typed };
  }
}

const unauthorized = { description: 'Unauthorized' };

function needsBody(spec: OperationSpec): boolean {
  return spec.action !== 'delete' && spec.action !== 'deletecollection';
}
