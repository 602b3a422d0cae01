/**
 * How the objects of one stored version look and are ruled in the others. Versions whose fields are equal only exchange the apiVersion; the
 * others have a converter.
 */
import { apiVersionOf, type GroupVersionKind, type JsonObject, type KubeObject } from '#pkg/apimachinery/object.ts';
import { omitEmpty } from '#pkg/apimachinery/omit-empty.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { convertedStrategy, convertedTable } from './converters/converted-strategy.ts';
import type { Converter } from './converters/converter.ts';
import { convertedView, renamedView, storedView, type VersionView } from './storage/version-view.ts';
import type { Strategy } from './strategy.ts';

/** A version and the one that stores it. */
export interface VersionPairing {
  readonly served: GroupVersionKind & { readonly schema: ObjectSchema };
  readonly stored: GroupVersionKind & { readonly schema: ObjectSchema };
  readonly converter: Converter | undefined;
}

/** How stored entries look in the served version. */
export function versionView({ served, stored, converter }: VersionPairing): VersionView {
  if (converter === undefined && apiVersionOf(served) === apiVersionOf(stored)) return storedView;
  if (converter !== undefined) return convertedView(completing(converter, served.schema, stored.schema));
  return renamedView({ apiVersion: apiVersionOf(served), kind: served.kind }, { apiVersion: apiVersionOf(stored) });
}

/** A converter whose results have the zeros that their own version writes, and no others: a field can be left out in one and not in another. */
function completing({ toStored, fromStored }: Converter, served: ObjectSchema, stored: ObjectSchema): Converter {
  return {
    toStored: (draft) => encoded(toStored(draft), stored),
    fromStored: (object) => encoded(fromStored(object), served) as KubeObject,
  };
}

function encoded(object: JsonObject, schema: ObjectSchema): JsonObject {
  return withUnset(omitEmpty(object, schema), schema);
}

/**
 * The strategy as it serves a version. One whose objects another group stores is written for the forms of its own group; tables are always those of the
 * stored version.
 */
export function servedStrategy(strategy: Strategy, { stored, converter }: VersionPairing): Strategy {
  if (converter === undefined) return strategy;
  if (strategy.group === stored.group) return convertedStrategy(strategy, converter);
  return strategy.table === undefined ? strategy : { ...strategy, table: convertedTable(strategy.table, converter) };
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
