/**
 * The OpenAPI v2 document of this server together with what other servers say of their own groups. Invariant: nothing of this server's is changed by them; a
 * definition of theirs that has the name of another one gets a name of its own. Pure.
 * Source: kube-openapi `aggregator` `MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters`.
 */
import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** Paths of one group and version, and the definitions that they need. */
export interface RemoteSpec {
  readonly paths: JsonObject;
  readonly definitions: JsonObject;
}

const referencePrefix = '#/definitions/';
/** Names that are tried for a definition whose name is taken by another one. */
const renamesMax = 100;

/** The document with the paths and definitions of others added, in their order. */
export function mergedV2(document: JsonObject, remotes: readonly RemoteSpec[]): JsonObject {
  const paths: JsonObject = isObject(document.paths) ? { ...document.paths } : {};
  const definitions: JsonObject = isObject(document.definitions) ? { ...document.definitions } : {};
  for (const remote of remotes) {
    const names = namesFor(remote, definitions);
    for (const [name, definition] of Object.entries(remote.definitions)) {
      const own = names.get(name) ?? name;
      if (!Object.hasOwn(definitions, own)) set(definitions, own, renamed(definition, names));
    }
    for (const [path, item] of Object.entries(remote.paths)) {
      if (!Object.hasOwn(paths, path)) set(paths, path, renamed(item, names));
    }
  }
  return { ...document, paths, definitions };
}

/** What is theirs of a document: what is below the paths of the group and version, and the definitions that this leads to. Undefined for no document. */
export function remoteSpec(document: unknown, group: string, version: string): RemoteSpec | undefined {
  if (!isObject(document) || !isObject(document.paths)) return undefined;
  const all = isObject(document.definitions) ? document.definitions : {};
  const base = `/apis/${group}/${version}/`;
  const paths: JsonObject = {};
  for (const [path, item] of Object.entries(document.paths)) if (path.startsWith(base)) set(paths, path, item);
  const definitions: JsonObject = {};
  const waiting = [...referencesIn(paths)];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (Object.hasOwn(definitions, name) || !Object.hasOwn(all, name)) continue;
    set(definitions, name, all[name]);
    waiting.push(...referencesIn(all[name]));
  }
  return { paths, definitions };
}

/** As a property of its own, whatever its name. */
function set(target: JsonObject, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
}

/** New names of definitions whose own are taken by others. */
function namesFor(remote: RemoteSpec, taken: JsonObject): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, definition] of Object.entries(remote.definitions)) {
    const isFree = (one: string): boolean => !Object.hasOwn(taken, one) || deepEqual(taken[one], definition);
    if (isFree(name)) continue;
    for (let n = 2; n < renamesMax; n++) {
      const other = `${name}_v${n}`;
      if (!isFree(other) || Object.hasOwn(remote.definitions, other)) continue;
      names.set(name, other);
      break;
    }
  }
  return names;
}

/** What a value refers to, however deep. */
function referencesIn(value: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  const left: unknown[] = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (Array.isArray(one)) left.push(...one);
    else if (isObject(one)) {
      const { $ref } = one;
      if (typeof $ref === 'string' && $ref.startsWith(referencePrefix)) found.add($ref.slice(referencePrefix.length));
      left.push(...Object.values(one));
    }
  }
  return found;
}

/** The same with its references renamed; the very same where none is. */
function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (names.size === 0) return value;
  return JSON.parse(JSON.stringify(value), (key, one: unknown) => {
    if (key !== '$ref' || typeof one !== 'string' || !one.startsWith(referencePrefix)) return one;
    const name = one.slice(referencePrefix.length);
    return `${referencePrefix}${names.get(name) ?? name}`;
  });
}
