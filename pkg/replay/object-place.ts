/** Where an object is: its kind, namespace and name, whatever its version. */
import { isObject } from '#pkg/apimachinery/json.ts';
import { type JsonObject, type KubeObject, parseApiVersion } from '#pkg/apimachinery/object.ts';

function isKubeObject(object: object): object is KubeObject {
  return !('metadata' in object) || isObject(object.metadata);
}

/** An object that an API server gave, as such; without metadata where it has none that can be read. */
export function kubeOf(object: JsonObject): KubeObject {
  return isKubeObject(object) ? object : {};
}

/** `Kind.group namespace/name`. */
export function placeOf(object: JsonObject): string {
  const { apiVersion = '', kind, metadata } = kubeOf(object);
  const group = parseApiVersion(apiVersion)?.group ?? '';
  return `${kind}.${group} ${metadata?.namespace ?? ''}/${metadata?.name}`;
}
