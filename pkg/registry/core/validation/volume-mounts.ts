/** Rules for where containers see the volumes of their pod. Source: upstream `ValidateVolumeMounts`, `ValidateVolumeDevices`. */

import type { Container, EphemeralContainer, Volume, VolumeDevice, VolumeMount } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  anyItem,
  at,
  child,
  type FieldPath,
  forbiddenField,
  invalid,
  notFoundField,
} from '#pkg/apimachinery/field-error.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkRelativePath } from '../../validation/paths.ts';
import type { Volumes } from './volumes.ts';

type AnyContainer = Container | EphemeralContainer;

interface Place<T> {
  readonly path: FieldPath<T>;
  readonly volumes: Volumes;
}

/** Checks mounts and devices of a container, and that they do not overlap. */
export function checkVolumeUse(
  into: Collector,
  container: Given<AnyContainer>,
  { path, volumes }: Place<AnyContainer>,
): void {
  const mounts = container.volumeMounts ?? [];
  const devices = container.volumeDevices ?? [];
  if (mounts.length > 0) checkMounts(into, container, { path: child(path, 'volumeMounts'), volumes });
  if (devices.length > 0) checkDevices(into, container, { path: child(path, 'volumeDevices'), volumes });
}

function checkMounts(
  into: Collector,
  container: Given<AnyContainer>,
  { path, volumes }: Place<readonly VolumeMount[]>,
): void {
  const devices = container.volumeDevices ?? [];
  const seen = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const own = at(path, index);
    const name = mount.name ?? '';
    const mountPath = mount.mountPath ?? '';
    into.needsText(child(own, 'name'), name);
    if (!volumes.has(name)) into.add(notFoundField(child(own, 'name'), name));
    into.needsText(child(own, 'mountPath'), mountPath);
    if (seen.has(mountPath)) into.add(invalid(child(own, 'mountPath'), mountPath, 'must be unique'));
    seen.add(mountPath);
    if (devices.some((device) => device.name === name)) {
      into.add(invalid(child(own, 'name'), name, 'must not already exist in volumeDevices'));
    }
    if (devices.some((device) => device.devicePath === mountPath)) {
      into.add(invalid(child(own, 'mountPath'), mountPath, 'must not already exist as a path in volumeDevices'));
    }
    checkSubPaths(into, mount, { own, path: anyItem(path) });
    checkPropagation(into, mount, {
      path: anyItem(path),
      isPrivileged: container.securityContext?.privileged === true,
    });
  }
}

/** `path` is that of the list: upstream names it, not the mount, in errors about the paths themselves. */
function checkSubPaths(
  into: Collector,
  mount: Given<VolumeMount>,
  { own, path }: { own: FieldPath<VolumeMount>; path: FieldPath<VolumeMount> },
): void {
  const subPath = mount.subPath ?? '';
  const expression = mount.subPathExpr ?? '';
  if (subPath !== '') checkRelativePath(into, subPath, child(path, 'subPath'));
  if (expression === '') return;
  if (subPath !== '') {
    into.add(invalid(child(own, 'subPathExpr'), expression, 'subPathExpr and subPath are mutually exclusive'));
  }
  checkRelativePath(into, expression, child(path, 'subPathExpr'));
}

function checkPropagation(
  into: Collector,
  mount: Given<VolumeMount>,
  { path, isPrivileged }: { readonly path: FieldPath<VolumeMount>; readonly isPrivileged: boolean },
): void {
  const { mountPropagation, recursiveReadOnly } = mount;
  const own = child(path, 'mountPropagation');
  into.oneOf(own, mountPropagation, ['Bidirectional', 'HostToContainer', 'None']);
  if (mountPropagation === 'Bidirectional' && !isPrivileged) {
    into.add(forbiddenField(own, 'Bidirectional mount propagation is available only to privileged containers'));
  }
  const recursive = child(path, 'recursiveReadOnly');
  into.oneOf(recursive, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']);
  if (recursiveReadOnly !== 'Enabled' && recursiveReadOnly !== 'IfPossible') return;
  if (mount.readOnly !== true) into.add(forbiddenField(recursive, 'may only be specified when readOnly is true'));
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    const detail = 'may only be specified when mountPropagation is None or not specified';
    into.add(forbiddenField(recursive, detail));
  }
}

function checkDevices(
  into: Collector,
  container: Given<AnyContainer>,
  { path, volumes }: Place<readonly VolumeDevice[]>,
): void {
  const mounts = container.volumeMounts ?? [];
  const names = new Set<string>();
  const paths = new Set<string>();
  for (const [index, device] of (container.volumeDevices ?? []).entries()) {
    const own = at(path, index);
    const name = device.name ?? '';
    const devicePath = device.devicePath ?? '';
    const say = (field: keyof VolumeDevice, value: string, detail: string): void =>
      into.add(invalid(child(own, field), value, detail));
    into.needsText(child(own, 'name'), name);
    if (names.has(name)) say('name', name, 'must be unique');
    checkDeviceVolume(into, volumes.get(name), { name, path: child(own, 'name') });
    into.needsText(child(own, 'devicePath'), devicePath);
    if (paths.has(devicePath)) say('devicePath', devicePath, 'must be unique');
    if (devicePath.split('/').includes('..')) say('devicePath', devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.some((mount) => mount.name === name)) say('name', name, 'must not already exist in volumeMounts');
    if (mounts.some((mount) => mount.mountPath === devicePath)) {
      say('devicePath', devicePath, 'must not already exist as a path in volumeMounts');
    }
    if (name !== '') names.add(name);
  }
}

function checkDeviceVolume(
  into: Collector,
  volume: Given<Volume> | undefined,
  { name, path }: { readonly name: string; readonly path: FieldPath },
): void {
  if (volume === undefined) into.add(notFoundField(path, name));
  else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
    const detail = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
    into.add(invalid(path, name, detail));
  }
}
