/**
 * What may change about a pod: almost nothing, as a node may already be running it.
 * Source: upstream `ValidatePodUpdate`, `ValidatePodEphemeralContainersUpdate`.
 */

import type { NodeSelectorTerm, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  forbiddenField,
  invalid,
  pathsOf,
  wholeObject,
} from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { restoreField, semanticallySame } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { validatePod } from './pod.ts';
import { checkAnnotationsKept } from './pod-annotations.ts';

const field = pathsOf<Pod>();

const changeable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** What is wrong with a change of a pod. */
export function validatePodUpdate(draft: Given<Pod>, old: Given<Pod>): readonly FieldError[] {
  const into = new Collector();
  checkAnnotationsKept(into, draft, old);
  const spec = draft.spec;
  const before = old.spec;
  if (spec === undefined || before === undefined || semanticallySame(spec, before)) return into.errors;
  for (const name of fields('containers', 'initContainers')) {
    if ((spec[name] ?? []).length === (before[name] ?? []).length) continue;
    into.add(forbiddenField(child(field('spec'), name), 'pod updates may not add or remove containers'));
    return into.errors;
  }
  if (!checkDeadline(into, spec, before)) return into.errors;
  checkTolerationsKept(into, spec, before);
  checkGates(into, spec, before);
  const isGated = (before.schedulingGates ?? []).length > 0;
  if (isGated) checkNarrowed(into, spec, before);
  const restored = withOldValues(spec, before);
  if (!semanticallySame(isGated ? withOldPlacement(restored, before) : restored, before)) {
    into.add(forbiddenField(field('spec'), `pod updates may not change fields other than ${changeable}`));
  }
  return into.errors;
}

/** Returns whether the rest is worth looking at. */
function checkDeadline(into: Collector, spec: Given<PodSpec>, before: Given<PodSpec>): boolean {
  const now = spec.activeDeadlineSeconds;
  const was = before.activeDeadlineSeconds;
  if (was === undefined) return true;
  const path = field('spec.activeDeadlineSeconds');
  if (now === undefined) into.add(invalid(path, null, 'must not update from a positive integer to nil value'));
  else if (now > was) {
    into.add(invalid(path, now, 'must be less than or equal to previous value'));
    return false;
  }
  return true;
}

function checkTolerationsKept(into: Collector, spec: Given<PodSpec>, before: Given<PodSpec>): void {
  const now = spec.tolerations ?? [];
  const withoutSeconds = ({ tolerationSeconds: _, ...rest }: JsonObject): JsonObject => rest;
  for (const toleration of before.tolerations ?? []) {
    const isKept = now.some((candidate) => semanticallySame(withoutSeconds(candidate), withoutSeconds(toleration)));
    if (isKept) continue;
    const detail = 'existing toleration can not be modified except its tolerationSeconds';
    into.add(forbiddenField(field('spec.tolerations'), detail));
    return;
  }
}

function checkGates(into: Collector, spec: Given<PodSpec>, before: Given<PodSpec>): void {
  const was = new Set((before.schedulingGates ?? []).map((gate) => gate.name ?? ''));
  for (const [index, gate] of (spec.schedulingGates ?? []).entries()) {
    const name = gate.name ?? '';
    if (was.has(name)) continue;
    const detail = `only deletion is allowed, but found new scheduling gate '${name}'`;
    into.add(forbiddenField(child(at(field('spec.schedulingGates'), index), 'name'), detail));
  }
}

/** A pod that is not to be scheduled yet may be given narrower wishes about its node, not wider ones. */
function checkNarrowed(into: Collector, spec: Given<PodSpec>, before: Given<PodSpec>): void {
  const wanted = spec.nodeSelector ?? {};
  if (Object.entries(before.nodeSelector ?? {}).some(([key, value]) => wanted[key] !== value)) {
    const detail = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
    into.add(invalid(field('spec.nodeSelector'), wanted, detail));
  }
  const termsOf = ({ affinity }: Given<PodSpec>): readonly Given<NodeSelectorTerm>[] =>
    affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const [now, was] = [termsOf(spec), termsOf(before)];
  const required = field('spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution');
  const path = child(required, 'nodeSelectorTerms');
  if (was.length > 0 && was.length !== now.length) {
    into.add(invalid(path, now, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'));
    return;
  }
  for (const [index, term] of was.entries()) {
    if (hasOnlyAdditions(now[index]!, term)) continue;
    into.add(invalid(at(path, index), now[index], 'only additions are allowed (no mutations or deletions)'));
  }
}

function hasOnlyAdditions(now: Given<NodeSelectorTerm>, was: Given<NodeSelectorTerm>): boolean {
  const lists = fields('matchExpressions', 'matchFields');
  // A term without requirements matches nothing; with one it would match something.
  if (lists.every((list) => (was[list] ?? []).length === 0)) {
    return lists.every((list) => (now[list] ?? []).length === 0);
  }
  return lists.every((list) => {
    const had = was[list] ?? [];
    return semanticallySame((now[list] ?? []).slice(0, had.length), had);
  });
}

/** The new spec with everything that may always change put back to what it was. */
function withOldValues(spec: Given<PodSpec>, before: Given<PodSpec>): JsonObject {
  const munged: JsonObject = { ...spec };
  for (const name of fields('containers', 'initContainers')) {
    if (spec[name] === undefined) continue;
    const old = before[name] ?? [];
    munged[name] = (spec[name] ?? []).map((container, index) => ({ ...container, image: old[index]?.image }));
  }
  for (const name of fields('activeDeadlineSeconds', 'tolerations', 'schedulingGates'))
    restoreField(munged, before, name);
  const wasNegative = (before.terminationGracePeriodSeconds ?? 0) < 0;
  if (wasNegative && spec.terminationGracePeriodSeconds === 1) {
    restoreField(munged, before, 'terminationGracePeriodSeconds');
  }
  return munged;
}

/** The same for where a pod may run, which may change while a gate holds it. */
function withOldPlacement(spec: Given<PodSpec>, before: Given<PodSpec>): JsonObject {
  const munged: JsonObject = { ...spec };
  restoreField(munged, before, 'nodeSelector');
  const affinity: JsonObject = { ...spec.affinity };
  restoreField(affinity, before.affinity ?? {}, 'nodeAffinity');
  if (Object.keys(affinity).length === 0) delete munged.affinity;
  else munged.affinity = affinity;
  return munged;
}

/** Ephemeral containers may be added; those that are there stay as they are. */
export function validateEphemeralContainersUpdate(draft: Given<Pod>, old: Given<Pod>): readonly FieldError[] {
  const into = new Collector();
  into.add(...validatePod(draft));
  checkAnnotationsKept(into, draft, old);
  if (old.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    return [forbiddenField(wholeObject, 'static pods do not support ephemeral containers')];
  }
  const path = field('spec.ephemeralContainers');
  const now = draft.spec?.ephemeralContainers ?? [];
  for (const container of old.spec?.ephemeralContainers ?? []) {
    const name = container.name ?? '';
    const kept = now.find((candidate) => candidate.name === name);
    if (kept === undefined) {
      into.add(forbiddenField(path, `existing ephemeral containers "${name}" may not be removed\n`));
    } else if (!semanticallySame(kept, container)) {
      into.add(forbiddenField(path, `existing ephemeral containers "${name}" may not be changed\n`));
    }
  }
  return into.errors;
}
