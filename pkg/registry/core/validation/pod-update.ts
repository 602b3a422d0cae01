/**
 * What may change about a pod: almost nothing, as a node may already be running it.
 * Source: upstream `ValidatePodUpdate`, `ValidatePodEphemeralContainersUpdate`, `ValidatePodResize`.
 */
import { at, child, type FieldError, forbiddenField, invalid } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, objectsAt, semanticallySame, stringAt, stringMapAt, valueAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { checkContainer } from './container.ts';
import { checkContainerResources } from './resources.ts';

const changeable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** What is wrong with a change of a pod. */
export function validatePodUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const spec = objectAt(draft, 'spec');
  const before = objectAt(old, 'spec');
  if (spec === undefined || before === undefined || semanticallySame(spec, before)) return [];
  const into = new Collector();
  for (const field of ['containers', 'initContainers']) {
    if (objectsAt(spec, field).length !== objectsAt(before, field).length) {
      into.add(forbiddenField(child('spec', field), 'pod updates may not add or remove containers'));
    }
  }
  if (into.errors.length > 0) return into.errors;
  checkImages(into, spec);
  checkDeadline(into, spec, before);
  checkTolerationsKept(into, spec, before);
  checkGates(into, spec, before);
  if (!semanticallySame(withOldValues(spec, before), before)) {
    into.add(forbiddenField('spec', `pod updates may not change fields other than ${changeable}`));
  }
  return into.errors;
}

function checkImages(into: Collector, spec: JsonObject): void {
  for (const field of ['containers', 'initContainers']) {
    for (const [index, container] of objectsAt(spec, field).entries()) {
      const image = stringAt(container, 'image');
      if (image.trim() === image) continue;
      const path = child(at(child('spec', field), index), 'image');
      into.add(invalid(path, image, 'must not have leading or trailing whitespace'));
    }
  }
}

function checkDeadline(into: Collector, spec: JsonObject, before: JsonObject): void {
  const now = numberAt(spec, 'activeDeadlineSeconds');
  const was = numberAt(before, 'activeDeadlineSeconds');
  if (was === undefined) return;
  const path = 'spec.activeDeadlineSeconds';
  if (now === undefined) into.add(invalid(path, null, 'must not update from a positive integer to nil value'));
  else if (now > was) into.add(invalid(path, now, 'must be less than or equal to previous value'));
}

function checkTolerationsKept(into: Collector, spec: JsonObject, before: JsonObject): void {
  const now = objectsAt(spec, 'tolerations');
  const withoutSeconds = ({ tolerationSeconds: _, ...rest }: JsonObject): JsonObject => rest;
  for (const toleration of objectsAt(before, 'tolerations')) {
    const isKept = now.some((candidate) => semanticallySame(withoutSeconds(candidate), withoutSeconds(toleration)));
    if (isKept) continue;
    const detail = 'existing toleration can not be modified except its tolerationSeconds';
    into.add(forbiddenField('spec.tolerations', detail));
    return;
  }
}

function checkGates(into: Collector, spec: JsonObject, before: JsonObject): void {
  const was = new Set(objectsAt(before, 'schedulingGates').map((gate) => stringAt(gate, 'name')));
  for (const [index, gate] of objectsAt(spec, 'schedulingGates').entries()) {
    const name = stringAt(gate, 'name');
    if (was.has(name)) continue;
    const detail = `only deletion is allowed, but found new scheduling gate '${name}'`;
    into.add(forbiddenField(at('spec.schedulingGates', index), detail));
  }
}

/** The new spec with everything that may change put back to what it was. */
function withOldValues(spec: JsonObject, before: JsonObject): JsonObject {
  const munged: JsonObject = { ...spec };
  for (const field of ['containers', 'initContainers']) {
    if (spec[field] === undefined) continue;
    const old = objectsAt(before, field);
    munged[field] = objectsAt(spec, field).map((container, index) => ({ ...container, image: old[index]?.image }));
  }
  for (const field of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates']) restore(munged, before, field);
  const wasNegative = (numberAt(before, 'terminationGracePeriodSeconds') ?? 0) < 0;
  if (wasNegative && spec.terminationGracePeriodSeconds === 1) {
    restore(munged, before, 'terminationGracePeriodSeconds');
  }
  // A pod that is not to be scheduled yet may still be given narrower wishes.
  if (objectsAt(before, 'schedulingGates').length > 0) {
    const wanted = stringMapAt(spec, 'nodeSelector');
    const had = Object.entries(stringMapAt(before, 'nodeSelector'));
    if (had.every(([key, value]) => wanted[key] === value)) restore(munged, before, 'nodeSelector');
    if (before.affinity === undefined || objectAt(before, 'affinity', 'nodeAffinity') === undefined) {
      restore(munged, before, 'affinity');
    }
  }
  return munged;
}

function restore(target: JsonObject, before: JsonObject, field: string): void {
  if (before[field] === undefined) delete target[field];
  else target[field] = before[field];
}

/** Ephemeral containers may be added; those that are there stay as they are. */
export function validateEphemeralContainersUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const path = 'spec.ephemeralContainers';
  const now = objectsAt(draft, 'spec', 'ephemeralContainers');
  const volumes = new Set(objectsAt(draft, 'spec', 'volumes').map((volume) => stringAt(volume, 'name')));
  for (const container of objectsAt(old, 'spec', 'ephemeralContainers')) {
    const name = stringAt(container, 'name');
    const kept = now.find((candidate) => candidate.name === name);
    if (kept === undefined) {
      into.add(forbiddenField(path, `existing ephemeral containers "${name}" may not be removed\n`));
    } else if (!semanticallySame(kept, container)) {
      into.add(forbiddenField(path, `existing ephemeral containers "${name}" may not be changed\n`));
    }
  }
  for (const [index, container] of now.entries()) {
    const own = at(path, index);
    checkContainer(into, container, { path: own, rules: { volumes, hostNetwork: false, isTemplate: false } });
    for (const field of ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle']) {
      if (container[field] === undefined) continue;
      into.add(forbiddenField(child(own, field), 'cannot be set for an Ephemeral Container'));
    }
  }
  return into.errors;
}

/** Resources of running containers may change, their quality of service may not. */
export function validatePodResize(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  for (const field of ['containers', 'initContainers']) {
    for (const [index, container] of objectsAt(draft, 'spec', field).entries()) {
      const path = child(at(child('spec', field), index), 'resources');
      checkContainerResources(into, objectAt(container, 'resources'), path);
    }
  }
  if (valueAt(old, 'spec', 'os', 'name') === 'windows') {
    into.add(forbiddenField('spec', 'windows pods cannot be resized'));
  }
  return into.errors;
}
