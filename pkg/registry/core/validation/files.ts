/**
 * Rules for volumes whose files come from the API: config maps, secrets, the pod itself, tokens, and several of these together.
 * Source: upstream `validateKeyToPath`, `validateDownwardAPIVolumeFile`, `validateProjectionSources`.
 */
import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  DownwardAPIVolumeSource,
  KeyToPath,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
} from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
  required,
  shownAt,
} from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
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
function checkItem(into: Collector, item: Given<KeyToPath>, path: FieldPath<KeyToPath>): void {
  into.needsText(child(path, 'key'), item.key);
  into.needsText(child(path, 'path'), item.path);
  checkUnreservedPath(into, item.path ?? '', child(path, 'path'));
  checkFileMode(into, item.mode, child(path, 'mode'));
}

interface Keys {
  readonly items?: readonly KeyToPath[] | null;
  readonly defaultMode?: number;
}

/** What a volume takes of a config map or a secret. */
export function checkKeys(into: Collector, source: Given<Keys>, path: FieldPath<Keys>): void {
  checkFileMode(into, source.defaultMode, child(path, 'defaultMode'));
  for (const [index, item] of (source.items ?? []).entries()) checkItem(into, item, at(child(path, 'items'), index));
}

/** One file about the pod. Upstream names the volume in these errors, not the file. */
function checkDownwardFile(
  into: Collector,
  file: Given<DownwardAPIVolumeFile>,
  path: FieldPath<DownwardAPIVolumeFile>,
): void {
  into.needsText(child(path, 'path'), file.path);
  checkUnreservedPath(into, file.path ?? '', child(path, 'path'));
  const fieldRef = file.fieldRef;
  const resourceRef = file.resourceFieldRef;
  if (fieldRef) {
    checkFieldRef(into, fieldRef, { path: child(path, 'fieldRef'), fields: fileFieldPaths });
    if (resourceRef) {
      into.add(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
  } else if (resourceRef) {
    checkResourceFieldRef(into, resourceRef, { path: child(path, 'resourceFieldRef'), needsContainer: true });
  } else into.add(required(path, 'one of fieldRef and resourceFieldRef is required'));
  checkFileMode(into, file.mode, child(path, 'mode'));
}

/** A volume of files that hold fields of the pod. */
export const checkDownwardVolume: SourceRule<DownwardAPIVolumeSource> = (into, source, path) => {
  checkFileMode(into, source.defaultMode, child(path, 'defaultMode'));
  for (const file of source.items ?? []) checkDownwardFile(into, file, shownAt(path));
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
  token: Given<ServiceAccountTokenProjection>,
  { path, volume }: { path: FieldPath<ServiceAccountTokenProjection>; volume: FieldPath<ProjectedVolumeSource> },
): void {
  const seconds = token.expirationSeconds ?? 0;
  const own = child(path, 'expirationSeconds');
  if (seconds < tokenSecondsMin) into.add(invalid(own, seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds > tokenSecondsMax) into.add(invalid(own, seconds, 'may not specify a duration larger than 2^32 seconds'));
  // Upstream names the volume here, not the source.
  const shown = misnamed(volume, 'path');
  if (into.needsText(shown, token.path)) checkUnreservedPath(into, token.path, shown);
}

function checkTrustBundle(
  into: Collector,
  bundle: Given<ClusterTrustBundleProjection>,
  path: FieldPath<ClusterTrustBundleProjection>,
): void {
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
  checkUnreservedPath(into, bundle.path ?? '', child(path, 'path'));
}

/** Fields of a projected source whose name differs from the field. */
const bundlePathName = 'clusterTrustBundlePEM';

/** A volume of files from several places. */
export const checkProjectedVolume: SourceRule<ProjectedVolumeSource> = (into, volume, path) => {
  checkFileMode(into, volume.defaultMode, child(path, 'defaultMode'));
  const paths = new TakenPaths(into, path);
  for (const [index, source] of (volume.sources ?? []).entries()) {
    const own = at(child(path, 'sources'), index);
    for (const field of fields('secret', 'configMap')) {
      const keys = source[field];
      if (!keys) continue;
      into.needsText(child(child(own, field), 'name'), keys.name);
      checkKeys(into, keys, child(own, field));
      for (const item of keys.items ?? []) paths.take(item.path ?? '', keys.name ?? '');
    }
    for (const file of source.downwardAPI?.items ?? []) {
      checkDownwardFile(into, file, shownAt(child(own, 'downwardAPI')));
      paths.take(file.path ?? '', file.path ?? '');
    }
    const token = source.serviceAccountToken;
    if (token) checkToken(into, token, { path: child(own, 'serviceAccountToken'), volume: path });
    const bundle = source.clusterTrustBundle;
    if (bundle) {
      checkTrustBundle(into, bundle, shownAt(misnamed(own, bundlePathName)));
      paths.take(bundle.path ?? '', bundle.path ?? '');
    }
    if (Object.values(source).filter(isObject).length > 1) {
      into.add(forbiddenField(own, 'may not specify more than 1 volume type'));
    }
  }
};
