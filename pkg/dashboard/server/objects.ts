/**
 * Single objects: as YAML to look at and to change, applied by the server and merged with what others own. What is shown is what is applied, so that
 * applying it makes the dashboard one of its owners, as `kubectl apply --server-side` of the same file would; status and records of ownership are left out of both.
 */
import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { digMap, digText, type KubeApi } from '#pkg/kubectl/api.ts';
import type { ApplyRequest, ObjectText, ResourceId } from '../model/protocol.ts';

/** Owner of what is applied here. */
const fieldManager = 'coxswain-dashboard';

/** Which object; an empty namespace for resources without. */
export interface ObjectPlace {
  readonly resource: ResourceId;
  readonly namespace: string;
  readonly name: string;
}

/** The path of an object, or of a subresource. Throws for names that would lead elsewhere. */
export function objectPath(
  { resource: { group, version, resource }, namespace, name }: ObjectPlace,
  subresource?: string,
): string {
  const scope = namespace === '' ? [] : ['namespaces', namespace];
  const root = group === '' ? ['api'] : ['apis', group];
  const parts = [...root, version, ...scope, resource, name, ...(subresource === undefined ? [] : [subresource])];
  return parts.map((part) => `/${segment(part)}`).join('');
}

function segment(text: string): string {
  if (text === '' || text === '.' || text === '..' || text.includes('/'))
    throw badRequest(`${JSON.stringify(text)} is no name`);
  return encodeURIComponent(text);
}

/** Reads an object. */
export async function readObject(api: KubeApi, place: ObjectPlace): Promise<ObjectText> {
  const { object } = await api.call({ method: 'GET', path: objectPath(place) });
  return textOf(object);
}

function textOf(object: JsonObject): ObjectText {
  const {
    managedFields: _fields,
    creationTimestamp: _created,
    generation: _generation,
    ...kept
  } = digMap(object, 'metadata');
  // A version in the document would refuse it as soon as a controller has written to the status: who owns which field is what counts.
  const { resourceVersion, ...metadata } = kept;
  return { yaml: yamlText({ ...object, metadata }), resourceVersion: String(resourceVersion) };
}

/** Applies a document in the place of an object, whose name and kind it must have. Rejects with the server's refusal, such as a conflict with its owners. */
export async function applyObject(api: KubeApi, place: ObjectPlace, request: ApplyRequest): Promise<ObjectText> {
  const decoded = decodeYaml(request.yaml, { findDuplicates: true, wholeIntegers: true });
  if (!decoded.ok) throw badRequest(decoded.error);
  if (decoded.yamlDuplicates !== undefined) throw badRequest(decoded.yamlDuplicates);
  if (!isObject(decoded.value)) throw badRequest('the document is no object');
  const { status: _status, ...document } = decoded.value;
  const { managedFields: _fields, ...metadata } = digMap(document, 'metadata');
  if (digText(metadata, 'name') !== place.name || digText(metadata, 'namespace') !== place.namespace)
    throw badRequest(
      `the document names another object than ${place.namespace === '' ? '' : `${place.namespace}/`}${place.name}`,
    );
  const { object } = await api.call({
    method: 'PATCH',
    path: objectPath(place),
    query: {
      fieldManager,
      fieldValidation: 'Strict',
      force: String(request.force === true),
      dryRun: request.dryRun === true ? 'All' : undefined,
    },
    body: { ...document, metadata },
    contentType: 'application/apply-patch+yaml',
  });
  return textOf(object);
}

/** Deletes an object, what it owns after it. */
export async function deleteObject(api: KubeApi, place: ObjectPlace): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' };
  await api.call({ method: 'DELETE', path: objectPath(place), body });
}
