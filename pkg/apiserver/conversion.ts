/**
 * Which version of a resource is stored, and how the others are made of it. Versions whose fields are equal only exchange the
 * apiVersion; those whose fields differ need a converter here, and are not served without one.
 */
import { typeFacts, typeSchema } from '#pkg/api/facts.ts';
import { type ResourceInfo, resources } from '#pkg/api/resources.ts';
import { apiVersionOf, type JsonObject, type KubeObject } from '#pkg/apimachinery/object.ts';
import { omitEmpty } from '#pkg/apimachinery/omit-empty.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { convertedStrategy, convertedTable } from './converters/converted-strategy.ts';
import type { Converter } from './converters/converter.ts';
import { converters } from './converters/table.ts';
import { convertedView, renamedView, storedView, type VersionView } from './storage/version-view.ts';
import type { Strategy } from './strategy.ts';

/** Resources of one group that are those of another: `group/resource` to the group that stores them. */
const sharedStorage: Readonly<Record<string, string>> = { 'events.k8s.io/events': '' };

/** The version that stores `info`, or undefined when it would need a converter that does not exist. */
export function storageOf(info: ResourceInfo, enabled: readonly ResourceInfo[]): ResourceInfo | undefined {
  const group = sharedStorage[`${info.group}/${info.resource}`] ?? info.group;
  const versions = (list: readonly ResourceInfo[]): ResourceInfo[] =>
    list.filter((other) => other.group === group && other.resource === info.resource);
  const candidates = versions(enabled).length > 0 ? versions(enabled) : versions(resources);
  const storage = candidates.toSorted((a, b) => compareVersions(b.version, a.version))[0]!;
  return convertible(info, storage) ? storage : undefined;
}

function convertible(info: ResourceInfo, storage: ResourceInfo): boolean {
  return info === storage || converterOf(info, storage) !== undefined || equalTypes(info.type, storage.type);
}

function converterOf(info: ResourceInfo, storage: ResourceInfo): Converter | undefined {
  return converters[`${apiVersionOf(info)}/${info.kind} ${apiVersionOf(storage)}`];
}

/** How entries stored as `storage` look as `info`. */
export function versionView(info: ResourceInfo, storage: ResourceInfo): VersionView {
  if (info === storage) return storedView;
  const converter = converterOf(info, storage);
  if (converter !== undefined) return convertedView(completing(converter, info, storage));
  return renamedView({ apiVersion: apiVersionOf(info), kind: info.kind }, { apiVersion: apiVersionOf(storage) });
}

/** A converter whose results have the zeros that their own version writes, and no others: a field can be left out in one and not in another. */
function completing({ toStored, fromStored }: Converter, info: ResourceInfo, storage: ResourceInfo): Converter {
  const served = typeSchema(info.type);
  const stored = typeSchema(storage.type);
  return {
    toStored: (draft) => encoded(toStored(draft), stored),
    fromStored: (object) => encoded(fromStored(object) as JsonObject, served) as KubeObject,
  };
}

function encoded(object: JsonObject, schema: ObjectSchema): JsonObject {
  return withUnset(omitEmpty(object, schema), schema);
}

/**
 * The strategy as it serves `info`. One that belongs to a group of its own, as that of events does, is written for the forms of that
 * group; tables are always those of the stored version.
 */
export function servedStrategy(strategy: Strategy, info: ResourceInfo, storage: ResourceInfo): Strategy {
  const converter = info === storage ? undefined : converterOf(info, storage);
  if (converter === undefined) return strategy;
  if (strategy.group === storage.group) return convertedStrategy(strategy, converter);
  return strategy.table === undefined ? strategy : { ...strategy, table: convertedTable(strategy.table, converter) };
}

/** Whether two types have the same fields all the way down, apart from the version in the names of types. */
function equalTypes(a: string, b: string, seen: Set<string> = new Set()): boolean {
  if (a === b || seen.has(`${a} ${b}`)) return true;
  seen.add(`${a} ${b}`);
  const left = typeFacts[a];
  const right = typeFacts[b];
  if (left === undefined || right === undefined || left.fields.length !== right.fields.length) return false;
  return left.fields.every((field, index) => {
    const other = right.fields[index]!;
    if (field.name !== other.name || field.t !== other.t) return false;
    const refA = field.ref ?? field.of?.ref;
    const refB = other.ref ?? other.of?.ref;
    if (refA === undefined || refB === undefined) return refA === refB;
    return equalTypes(refA, refB, seen);
  });
}

/** Orders `v1alpha1 < v1beta1 < v1 < v2`. Source: apimachinery `util/version` kube-aware comparison. */
export function compareVersions(a: string, b: string): number {
  return rank(a) - rank(b);
}

function rank(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return -1;
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0;
  return stage * 1_000_000 + Number(match[1]) * 1_000 + Number(match[3] ?? 0);
}
