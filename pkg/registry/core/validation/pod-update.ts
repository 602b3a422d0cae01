/**
 * What may change about a pod: almost nothing, as a node may already be running it.
 * Source: upstream `ValidatePodUpdate`, `ValidatePodEphemeralContainersUpdate`.
 */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  wholeObject,
} from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import {
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  restoreField,
  semanticallySame,
  stringAt,
  stringMapAt,
  valueAt,
} from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { validatePod } from './pod.ts';
import { checkAnnotationsKept } from './pod-annotations.ts';

const changeable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** What is wrong with a change of a pod. */
export function validatePodUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  checkAnnotationsKept(into, draft, old);
  const spec = objectAt(draft, 'spec');
  const before = objectAt(old, 'spec');
  if (spec === undefined || before === undefined || semanticallySame(spec, before)) return into.errors;
  for (const field of ['containers', 'initContainers']) {
    if (objectsAt(spec, field).length === objectsAt(before, field).length) continue;
    into.add(forbiddenField(child('spec', field), 'pod updates may not add or remove containers'));
    return into.errors;
  }
  if (!checkDeadline(into, spec, before)) return into.errors;
  checkTolerationsKept(into, spec, before);
  checkGates(into, spec, before);
  const isGated = listAt(before, 'schedulingGates').length > 0;
  if (isGated) checkNarrowed(into, spec, before);
  const restored = withOldValues(spec, before);
  if (!semanticallySame(isGated ? withOldPlacement(restored, before) : restored, before)) {
    into.add(forbiddenField('spec', `pod updates may not change fields other than ${changeable}`));
  }
  return into.errors;
}

/** Returns whether the rest is worth looking at. */
function checkDeadline(into: Collector, spec: JsonObject, before: JsonObject): boolean {
  const now = numberAt(spec, 'activeDeadlineSeconds');
  const was = numberAt(before, 'activeDeadlineSeconds');
  if (was === undefined) return true;
  const path = 'spec.activeDeadlineSeconds';
  if (now === undefined) into.add(invalid(path, null, 'must not update from a positive integer to nil value'));
  else if (now > was) {
    into.add(invalid(path, now, 'must be less than or equal to previous value'));
    return false;
  }
  return true;
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
    into.add(forbiddenField(child(at('spec.schedulingGates', index), 'name'), detail));
  }
}

const requiredTerms = ['requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms'] as const;

/** A pod that is not to be scheduled yet may be given narrower wishes about its node, not wider ones. */
function checkNarrowed(into: Collector, spec: JsonObject, before: JsonObject): void {
  const wanted = stringMapAt(spec, 'nodeSelector');
  if (Object.entries(stringMapAt(before, 'nodeSelector')).some(([key, value]) => wanted[key] !== value)) {
    const detail = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
    into.add(invalid('spec.nodeSelector', wanted, detail));
  }
  const was = objectsAt(before, 'affinity', 'nodeAffinity', ...requiredTerms);
  const now = objectsAt(spec, 'affinity', 'nodeAffinity', ...requiredTerms);
  const path: FieldPath = `spec.affinity.nodeAffinity.${requiredTerms.join('.')}`;
  if (was.length > 0 && was.length !== now.length) {
    into.add(invalid(path, now, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'));
    return;
  }
  for (const [index, term] of was.entries()) {
    if (hasOnlyAdditions(now[index]!, term)) continue;
    into.add(invalid(at(path, index), now[index], 'only additions are allowed (no mutations or deletions)'));
  }
}

function hasOnlyAdditions(now: JsonObject, was: JsonObject): boolean {
  const fields = ['matchExpressions', 'matchFields'];
  // A term without requirements matches nothing; with one it would match something.
  if (fields.every((field) => listAt(was, field).length === 0)) {
    return fields.every((field) => listAt(now, field).length === 0);
  }
  return fields.every((field) => {
    const had = listAt(was, field);
    return semanticallySame(listAt(now, field).slice(0, had.length), had);
  });
}

/** The new spec with everything that may always change put back to what it was. */
function withOldValues(spec: JsonObject, before: JsonObject): JsonObject {
  const munged: JsonObject = { ...spec };
  for (const field of ['containers', 'initContainers']) {
    if (spec[field] === undefined) continue;
    const old = objectsAt(before, field);
    munged[field] = objectsAt(spec, field).map((container, index) => ({ ...container, image: old[index]?.image }));
  }
  for (const field of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates']) restoreField(munged, before, field);
  const wasNegative = (numberAt(before, 'terminationGracePeriodSeconds') ?? 0) < 0;
  if (wasNegative && spec.terminationGracePeriodSeconds === 1) {
    restoreField(munged, before, 'terminationGracePeriodSeconds');
  }
  return munged;
}

/** The same for where a pod may run, which may change while a gate holds it. */
function withOldPlacement(spec: JsonObject, before: JsonObject): JsonObject {
  const munged: JsonObject = { ...spec };
  restoreField(munged, before, 'nodeSelector');
  const affinity: JsonObject = { ...objectAt(spec, 'affinity') };
  restoreField(affinity, objectAt(before, 'affinity') ?? {}, 'nodeAffinity');
  if (Object.keys(affinity).length === 0) delete munged.affinity;
  else munged.affinity = affinity;
  return munged;
}

/** Ephemeral containers may be added; those that are there stay as they are. */
export function validateEphemeralContainersUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  into.add(...validatePod(draft));
  checkAnnotationsKept(into, draft, old);
  if (valueAt(old, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== undefined) {
    return [forbiddenField(wholeObject, 'static pods do not support ephemeral containers')];
  }
  const path = 'spec.ephemeralContainers';
  const now = objectsAt(draft, 'spec', 'ephemeralContainers');
  for (const container of objectsAt(old, 'spec', 'ephemeralContainers')) {
    const name = stringAt(container, 'name');
    const kept = now.find((candidate) => candidate.name === name);
    if (kept === undefined) {
      into.add(forbiddenField(path, `existing ephemeral containers "${name}" may not be removed\n`));
    } else if (!semanticallySame(kept, container)) {
      into.add(forbiddenField(path, `existing ephemeral containers "${name}" may not be changed\n`));
    }
  }
  return into.errors;
}
