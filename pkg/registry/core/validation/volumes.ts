/** Rules for volumes and their mounts. Source: upstream `ValidateVolumes`, `ValidateVolumeMounts`. */
import {
  at,
  child,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalid,
  notFoundField,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { configMapKeyProblems, dns1123LabelProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isObject, objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';

const fileModeMax = 0o777;
const fileModeDetail = 'must be a number between 0 and 0777 (octal), both inclusive';

/** What a source must name: `[source, field]`. */
const requiredFields: readonly (readonly [string, string])[] = [
  ['configMap', 'name'],
  ['secret', 'secretName'],
  ['persistentVolumeClaim', 'claimName'],
  ['hostPath', 'path'],
  ['nfs', 'server'],
  ['nfs', 'path'],
  ['csi', 'driver'],
];

/** Checks the volumes of a pod spec; returns their names. */
export function checkVolumes(into: Collector, volumes: readonly JsonObject[], path: FieldPath): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const own = at(path, index);
    const name = volume.name;
    if (into.needsText(child(own, 'name'), name)) {
      into.problems(child(own, 'name'), name, dns1123LabelProblems(name));
      if (names.has(name)) into.add(duplicate(child(own, 'name'), name));
      names.add(name);
    }
    checkSource(into, volume, own);
  }
  return names;
}

function checkSource(into: Collector, volume: JsonObject, path: FieldPath): void {
  const sources = Object.keys(volume).filter((field) => field !== 'name' && isObject(volume[field]));
  if (sources.length === 0) into.add(required(path, 'must specify a volume type'));
  for (const source of sources.slice(1)) {
    into.add(forbiddenField(child(path, source), 'may not specify more than 1 volume type'));
  }
  for (const [source, field] of requiredFields) {
    const value = objectAt(volume, source);
    if (value !== undefined) into.needsText(child(child(path, source), field), value[field]);
  }
  for (const source of ['configMap', 'secret', 'downwardAPI', 'projected']) {
    const value = objectAt(volume, source);
    if (value === undefined) continue;
    checkMode(into, value.defaultMode, child(child(path, source), 'defaultMode'));
    for (const [index, item] of objectsAt(value, 'items').entries()) {
      checkItem(into, item, { path: at(child(child(path, source), 'items'), index), hasKey: source !== 'downwardAPI' });
    }
  }
}

function checkMode(into: Collector, mode: unknown, path: FieldPath): void {
  if (typeof mode === 'number' && (mode < 0 || mode > fileModeMax)) into.add(invalid(path, mode, fileModeDetail));
}

function checkItem(into: Collector, item: JsonObject, { path, hasKey }: { path: FieldPath; hasKey: boolean }): void {
  if (hasKey && into.needsText(child(path, 'key'), item.key)) {
    into.problems(child(path, 'key'), item.key, configMapKeyProblems(item.key));
  }
  if (into.needsText(child(path, 'path'), item.path)) checkRelativePath(into, item.path, child(path, 'path'));
  checkMode(into, item.mode, child(path, 'mode'));
}

function checkRelativePath(into: Collector, value: string, path: FieldPath): void {
  if (value.startsWith('/')) into.add(invalid(path, value, 'must be a relative path'));
  if (value.split('/').includes('..')) into.add(invalid(path, value, "must not contain '..'"));
}

/** Checks where a container mounts the pod's volumes. */
export function checkVolumeMounts(
  into: Collector,
  container: JsonObject,
  { path, volumes }: { path: FieldPath; volumes: ReadonlySet<string> },
): void {
  const mountPaths = new Set<string>();
  for (const [index, mount] of objectsAt(container, 'volumeMounts').entries()) {
    const own = at(child(path, 'volumeMounts'), index);
    const name = mount.name;
    if (into.needsText(child(own, 'name'), name) && !volumes.has(name))
      into.add(notFoundField(child(own, 'name'), name));
    const mountPath = mount.mountPath;
    if (into.needsText(child(own, 'mountPath'), mountPath)) {
      if (mountPaths.has(mountPath)) into.add(invalid(child(own, 'mountPath'), mountPath, 'must be unique'));
      mountPaths.add(mountPath);
    }
    const subPath = stringAt(mount, 'subPath');
    const expression = stringAt(mount, 'subPathExpr');
    if (subPath !== '') checkRelativePath(into, subPath, child(own, 'subPath'));
    if (expression !== '') {
      if (subPath !== '') {
        into.add(invalid(child(own, 'subPathExpr'), expression, 'subPathExpr and subPath are mutually exclusive'));
      }
      checkRelativePath(into, expression, child(own, 'subPathExpr'));
    }
    into.oneOf(child(own, 'mountPropagation'), mount.mountPropagation, ['Bidirectional', 'HostToContainer', 'None']);
  }
  for (const [index, device] of objectsAt(container, 'volumeDevices').entries()) {
    const own = at(child(path, 'volumeDevices'), index);
    into.needsText(child(own, 'name'), device.name);
    into.needsText(child(own, 'devicePath'), device.devicePath);
  }
}
