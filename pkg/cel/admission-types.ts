/**
 * What expressions of admission policies and match conditions can name, as types: the request, its objects, its namespace, parameters, the authorizer. Pure.
 * Source: apiserver `admission/plugin/cel/compile.go` `BuildRequestType`, `BuildNamespaceType`.
 */
import { authorizerType, resourceCheckType } from './library/authorizer.ts';
import {
  boolType,
  dynType,
  intType,
  listOf,
  mapOf,
  objectType,
  stringType,
  type Type,
  type TypeField,
  timestampType,
} from './types.ts';

function fieldTypes(fields: Readonly<Record<string, Type>>): ReadonlyMap<string, TypeField> {
  return new Map(Object.entries(fields).map(([name, type]) => [name, { name, type }]));
}

function named(name: string, fields: Readonly<Record<string, Type>>): Type {
  return objectType(`kubernetes.${name}`, fieldTypes(fields));
}

const kindType = named('GroupVersionKind', { group: stringType, version: stringType, kind: stringType });
const resourceType = named('GroupVersionResource', { group: stringType, version: stringType, resource: stringType });
const userType = named('UserInfo', {
  username: stringType,
  uid: stringType,
  groups: listOf(stringType),
  extra: mapOf(stringType, listOf(stringType)),
});

const requestType = named('AdmissionRequest', {
  kind: kindType,
  resource: resourceType,
  subResource: stringType,
  requestKind: kindType,
  requestResource: resourceType,
  requestSubResource: stringType,
  name: stringType,
  namespace: stringType,
  operation: stringType,
  userInfo: userType,
  dryRun: boolType,
  options: dynType,
});

const namespaceType = named('Namespace', {
  metadata: named('NamespaceMetadata', {
    name: stringType,
    generateName: stringType,
    namespace: stringType,
    labels: mapOf(stringType, stringType),
    annotations: mapOf(stringType, stringType),
    UID: stringType,
    creationTimestamp: timestampType,
    deletionGracePeriodSeconds: intType,
    deletionTimestamp: timestampType,
    generation: intType,
    resourceVersion: stringType,
    finalizers: listOf(stringType),
  }),
  spec: named('NamespaceSpec', { finalizers: listOf(stringType) }),
  status: named('NamespaceStatus', { phase: stringType }),
});

/** What expressions of one place can name beside the request and its objects. */
export interface AdmissionNames {
  readonly hasParams: boolean;
  readonly hasAuthorizer: boolean;
  /** Types of the variables of a policy by name, and of the objects where those are known. */
  readonly variables?: ReadonlyMap<string, Type>;
  readonly objectType?: Type;
  readonly paramsType?: Type;
}

/** The types of all that can be named, by name. */
export function admissionTypes(names: AdmissionNames): Readonly<Record<string, Type>> {
  const object = names.objectType ?? dynType;
  return {
    object,
    oldObject: object,
    request: requestType,
    namespaceObject: namespaceType,
    ...(names.hasParams ? { params: names.paramsType ?? dynType } : {}),
    ...(names.hasAuthorizer ? { authorizer: authorizerType, 'authorizer.requestResource': resourceCheckType } : {}),
    ...(names.variables === undefined
      ? {}
      : {
          variables: objectType(
            'kubernetes.variables',
            new Map([...names.variables].map(([name, type]) => [name, { name, type }])),
          ),
        }),
  };
}
