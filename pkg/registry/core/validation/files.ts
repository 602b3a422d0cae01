/**
 * Rules for volumes whose files come from the API: config maps, secrets, the pod itself, tokens, and several of these together.
 * Source: upstream `validateKeyToPath`, `validateDownwardAPIVolumeFile`, `validateProjectionSources`.
 */
import type { ClusterTrustBundleProjection } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, forbiddenField, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkFileMode, checkUnreservedPath } from '../../validation/paths.ts';
import { labelSelectorErrors } from '../../validation/selector.ts';
import { checkFieldRef, checkResourceFieldRef } from './downward-api.ts';
import type { SourceRule } from './volume-source.ts';

/** Fields of the pod that its files may show. */
const fileFieldPaths = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

/** What one key becomes in the file system. */
function checkItem(into: Collector, item: JsonObject, path: FieldPath): void {
  into.needsText(child(path, 'key'), item.key);
  into.needsText(child(path, 'path'), item.path);
  checkUnreservedPath(into, stringAt(item, 'path'), child(path, 'path'));
  checkFileMode(into, item.mode, child(path, 'mode'));
}

/** A volume made of a config map or a secret, which `nameField` names. */
export function keysVolume(nameField: string): SourceRule {
  return (into, source, path) => {
    into.needsText(child(path, nameField), source[nameField]);
    checkFileMode(into, source.defaultMode, child(path, 'defaultMode'));
    for (const [index, item] of objectsAt(source, 'items').entries()) {
      checkItem(into, item, at(child(path, 'items'), index));
    }
  };
}

/** One file about the pod. Upstream names the volume in these errors, not the file. */
function checkDownwardFile(into: Collector, file: JsonObject, path: FieldPath): void {
  into.needsText(child(path, 'path'), file.path);
  checkUnreservedPath(into, stringAt(file, 'path'), child(path, 'path'));
  const fieldRef = objectAt(file, 'fieldRef');
  const resourceRef = objectAt(file, 'resourceFieldRef');
  if (fieldRef !== undefined) {
    checkFieldRef(into, fieldRef, { path: child(path, 'fieldRef'), fields: fileFieldPaths });
    if (resourceRef !== undefined) {
      into.add(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
  } else if (resourceRef !== undefined) {
    checkResourceFieldRef(into, resourceRef, { path: child(path, 'resourceFieldRef'), needsContainer: true });
  } else into.add(required(path, 'one of fieldRef and resourceFieldRef is required'));
  checkFileMode(into, file.mode, child(path, 'mode'));
}

/** A volume of files that hold fields of the pod. */
export const checkDownwardVolume: SourceRule = (into, source, path) => {
  checkFileMode(into, source.defaultMode, child(path, 'defaultMode'));
  for (const file of objectsAt(source, 'items')) checkDownwardFile(into, file, path);
};

/** The paths that the sources of one volume have taken, so that none hides another. */
class TakenPaths {
  readonly #taken = new Set<string>();
  readonly #into: Collector;
  readonly #path: FieldPath;

  constructor(into: Collector, path: FieldPath) {
    this.#into = into;
    this.#path = path;
  }

  take(path: string, shown: string): void {
    if (path === '') return;
    if (this.#taken.has(path)) this.#into.add(invalid(this.#path, shown, 'conflicting duplicate paths'));
    this.#taken.add(path);
  }
}

const tokenSecondsMin = 600;
const tokenSecondsMax = 2 ** 32;

function checkToken(
  into: Collector,
  token: JsonObject,
  { path, volume }: { path: FieldPath; volume: FieldPath },
): void {
  const seconds = numberAt(token, 'expirationSeconds') ?? 0;
  const own = child(path, 'expirationSeconds');
  if (seconds < tokenSecondsMin) into.add(invalid(own, seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds > tokenSecondsMax) into.add(invalid(own, seconds, 'may not specify a duration larger than 2^32 seconds'));
  // Upstream names the volume here, not the source.
  if (into.needsText(child(volume, 'path'), token.path)) checkUnreservedPath(into, token.path, child(volume, 'path'));
}

function checkTrustBundle(into: Collector, bundle: Given<ClusterTrustBundleProjection>, path: FieldPath): void {
  const { name, signerName, labelSelector } = bundle;
  if (name !== undefined && signerName !== undefined) {
    into.add(invalid(path, bundle, 'only one of name and signerName may be used'));
  } else if (name !== undefined) {
    into.needsText(child(path, 'name'), name, 'must be a valid object name');
    if (labelSelector !== undefined) {
      const detail = 'labelSelector must be unset if name is specified';
      into.add(invalid(child(path, 'labelSelector'), labelSelector, detail));
    }
  } else if (signerName !== undefined) {
    into.needsText(child(path, 'signerName'), signerName, 'must be a valid signer name');
    into.add(...labelSelectorErrors(labelSelector, child(path, 'labelSelector')));
  } else into.add(required(path, 'either name or signerName must be specified'));
  into.needsText(child(path, 'path'), bundle.path);
  checkUnreservedPath(into, stringAt(bundle, 'path'), child(path, 'path'));
}

/** Fields of a projected source whose name differs from the field. */
const bundlePathName = 'clusterTrustBundlePEM';

/** A volume of files from several places. */
export const checkProjectedVolume: SourceRule = (into, volume, path) => {
  checkFileMode(into, volume.defaultMode, child(path, 'defaultMode'));
  const paths = new TakenPaths(into, path);
  for (const [index, source] of objectsAt(volume, 'sources').entries()) {
    const own = at(child(path, 'sources'), index);
    for (const field of ['secret', 'configMap']) {
      const keys = objectAt(source, field);
      if (keys === undefined) continue;
      keysVolume('name')(into, keys, child(own, field), { name: '', isPersistent: false });
      for (const item of objectsAt(keys, 'items')) paths.take(stringAt(item, 'path'), stringAt(keys, 'name'));
    }
    for (const file of objectsAt(source, 'downwardAPI', 'items')) {
      checkDownwardFile(into, file, child(own, 'downwardAPI'));
      paths.take(stringAt(file, 'path'), stringAt(file, 'path'));
    }
    const token = objectAt(source, 'serviceAccountToken');
    if (token !== undefined) checkToken(into, token, { path: child(own, 'serviceAccountToken'), volume: path });
    const bundle: Given<ClusterTrustBundleProjection> | undefined = objectAt(source, 'clusterTrustBundle');
    if (bundle !== undefined) {
      checkTrustBundle(into, bundle, child(own, bundlePathName));
      paths.take(stringAt(bundle, 'path'), stringAt(bundle, 'path'));
    }
    if (Object.values(source).filter(isObject).length > 1) {
      into.add(forbiddenField(own, 'may not specify more than 1 volume type'));
    }
  }
};
