/**
 * One object of a kustomization on its way, with the names it had: references and patches find it by any of them. The object is the builder's own and
 * is changed in place. Upstream counterpart: kustomize `api/resource`, `kyaml/resid`.
 */
import { kindFact } from '#pkg/api/facts.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { digText } from '../api.ts';

/** What tells an object from others. */
export interface Id {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly name: string;
  /** Empty where the object says none. */
  readonly namespace: string;
}

/** An object, what it was called, and what is still to be done to its name. */
export interface Resource {
  object: JsonObject;
  /** Before each change of its name or namespace, the first one first. */
  readonly previous: Id[];
  /** What was put before and after its name, by which equal names of several bases are told apart. */
  readonly affixes: string[];
  /** It was generated, and its name is to end with the hash of what it holds. */
  needsHash: boolean;
}

/** A new one, of which nothing was changed. */
export function newResource(object: JsonObject, needsHash = false): Resource {
  return { object, previous: [], affixes: [], needsHash };
}

/** What an object is called now. */
export function idOf(object: JsonObject): Id {
  const { group, version } = parseApiVersion(digText(object, 'apiVersion')) ?? { group: '', version: '' };
  const name = digText(object, 'metadata', 'name');
  return { group, version, kind: digText(object, 'kind'), name, namespace: digText(object, 'metadata', 'namespace') };
}

/** All its names, the first one first. */
export function idsOf({ object, previous }: Resource): readonly Id[] {
  return [...previous, idOf(object)];
}

/** Takes down what it is called before that changes. */
export function keepId({ object, previous }: Resource): void {
  previous.push(idOf(object));
}

/** The metadata, made where there is none. */
export function metadataOf(object: JsonObject): JsonObject {
  if (!isObject(object.metadata)) object.metadata = {};
  return isObject(object.metadata) ? object.metadata : {};
}

/** The namespace where saying none means the default one. */
export function effectiveNamespace({ namespace }: Id): string {
  return namespace === '' ? 'default' : namespace;
}

/** Whether objects of a kind belong to the cluster. Kinds that nobody knows belong to namespaces. */
export function isClusterScoped({ group, version, kind }: Pick<Id, 'group' | 'kind' | 'version'>): boolean {
  const fact = kindFact({ group, version, kind });
  return fact?.client === true && fact.namespaced !== true;
}

/** A kind as lists of fields name it: what they leave out is any. */
export interface KindPattern {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
}

/** Whether an object is of such a kind. */
export function isOfKind(id: Pick<Id, 'group' | 'kind' | 'version'>, { group, version, kind }: KindPattern): boolean {
  return (!group || id.group === group) && (!version || id.version === version) && (!kind || id.kind === kind);
}

/** As errors name it. */
export function idText({ group, version, kind, name, namespace }: Id): string {
  const type = [kind || '[noKind]', version || '[noVer]', group || '[noGrp]'].join('.');
  return `${type}/${name}.${namespace === '' ? '[noNs]' : namespace}`;
}
