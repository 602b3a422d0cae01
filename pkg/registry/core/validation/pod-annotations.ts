/**
 * Rules for annotations that say something about a pod, most of them from before there were fields for it.
 * Source: upstream `ValidatePodSpecificAnnotations`, `validateSeccompAnnotationsAndFields`, `validateAppArmorAnnotationsAndFieldsMatchOnCreate`.
 */

import type { Pod, PodSpec, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, forbiddenField, invalid, pathsOf, rootOf } from '#pkg/apimachinery/field-error.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkRelativePath } from '../../validation/paths.ts';
import { placedContainers } from './placed-containers.ts';

const mirror = 'kubernetes.io/config.mirror';
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost';
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';
const field = pathsOf<Pod>();

const appArmorContainer = 'container.apparmor.security.beta.kubernetes.io/';
const int32Pattern = /^[+-]?\d+$/;
const int32Max = 2 ** 31 - 1;

/** Checks the annotations of a pod or a template whose metadata is at `path`. */
export function checkPodAnnotations(
  into: Collector,
  pod: Given<Pod | PodTemplateSpec>,
  { path, specPath }: { readonly path: FieldPath; readonly specPath: FieldPath<PodSpec> },
): void {
  const annotations = pod.metadata?.annotations ?? {};
  const spec = pod.spec ?? {};
  for (const [key, value] of Object.entries(annotations)) {
    if (key === mirror && (spec.nodeName ?? '') === '') {
      into.add(invalid(at(path, key), value, 'must set spec.nodeName if mirror pod annotation is set'));
    } else if (key === deletionCost && !isDeletionCost(value)) {
      into.add(invalid(at(path, key), value, 'must be a 32bit integer'));
    } else if (key === seccompPod || key.startsWith(seccompContainer)) {
      checkSeccompProfile(into, value, child(path, key));
    } else if (key.startsWith(appArmorContainer)) checkAppArmorProfile(into, { key, value, spec }, path);
  }
  if (Object.keys(annotations).some(isAboutProfiles)) checkMatches(into, pod, specPath);
}

/** Whether a pod has annotations that `checkPodAnnotations` looks at. */
export function hasCheckedAnnotations(pod: Given<Pod>): boolean {
  for (const key in pod.metadata?.annotations) {
    if (key === mirror || key === deletionCost || isAboutProfiles(key)) return true;
  }
  return false;
}

function isAboutProfiles(key: string): boolean {
  return /^(container\.)?(seccomp|apparmor)\.security\./.test(key);
}

function isDeletionCost(value: string): boolean {
  if (value === '') return false;
  return int32Pattern.test(value) && Math.abs(Number(value)) <= int32Max && !/^[+]|^-?0\d/.test(value);
}

function checkSeccompProfile(into: Collector, profile: string, path: FieldPath): void {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return;
  if (profile.startsWith('localhost/')) checkRelativePath(into, profile.slice('localhost/'.length), path);
  else into.add(invalid(path, profile, 'must be a valid seccomp profile'));
}

function checkAppArmorProfile(
  into: Collector,
  { key, value, spec }: { readonly key: string; readonly value: string; readonly spec: Given<PodSpec> },
  path: FieldPath,
): void {
  const name = key.slice(appArmorContainer.length);
  if (!placedContainers(spec, rootOf<PodSpec>()).some(({ container }) => container.name === name)) {
    into.add(invalid(at(path, key), name, 'container not found'));
  }
  if (['', 'runtime/default', 'unconfined'].includes(value) || value.startsWith('localhost/')) return;
  into.add(invalid(at(path, key), value, `invalid AppArmor profile name: ${JSON.stringify(value)}`));
}

/** The text that an annotation has for what a field says. */
const annotationTexts: Readonly<Record<string, readonly string[]>> = {
  Unconfined: ['unconfined'],
  RuntimeDefault: ['runtime/default', 'docker/default'],
};

/** Where both an annotation and a field are given they have to agree. */
function checkMatches(into: Collector, pod: Given<Pod | PodTemplateSpec>, specPath: FieldPath<PodSpec>): void {
  const annotations = pod.metadata?.annotations ?? {};
  const spec = pod.spec ?? {};
  const ofPod = spec.securityContext;
  const seccomp = { what: 'seccomp', path: child(specPath, 'securityContext.seccompProfile') };
  checkMatch(into, annotations[seccompPod], { ...seccomp, profile: ofPod?.seccompProfile });
  for (const { container, path } of placedContainers(spec, specPath)) {
    const context = container.securityContext;
    const own = child(path, 'securityContext');
    const name = container.name ?? '';
    const profile = context?.seccompProfile;
    checkMatch(into, annotations[`${seccompContainer}${name}`], {
      what: 'seccomp',
      path: child(own, 'seccompProfile'),
      profile,
    });
    if ((spec.os?.name ?? '') === 'windows') continue;
    checkMatch(into, annotations[`${appArmorContainer}${name}`], {
      what: 'apparmor',
      path: child(own, 'appArmorProfile'),
      profile: context?.appArmorProfile ?? ofPod?.appArmorProfile,
    });
  }
}

interface Profile {
  readonly type: string;
  readonly localhostProfile?: string;
}

interface Match {
  readonly what: string;
  readonly path: FieldPath<Profile>;
  readonly profile: Given<Profile> | null | undefined;
}

function checkMatch(into: Collector, annotation: string | undefined, { what, path, profile }: Match): void {
  if (annotation === undefined || !profile) return;
  const type = profile.type ?? '';
  const differs = `${what} type in annotation and field must match`;
  if (type !== 'Localhost') {
    const texts = annotationTexts[type];
    if (texts !== undefined && !texts.includes(annotation)) into.add(forbiddenField(child(path, 'type'), differs));
  } else if (!annotation.startsWith('localhost/')) into.add(forbiddenField(child(path, 'type'), differs));
  else if (annotation.slice('localhost/'.length) !== profile.localhostProfile) {
    const detail = `${what} profile in annotation and field must match`;
    into.add(forbiddenField(child(path, 'localhostProfile'), detail));
  }
}

/** What may not change about a pod's annotations, as the node has already acted on it. */
export function checkAnnotationsKept(into: Collector, pod: Given<Pod>, old: Given<Pod>): void {
  const now = pod.metadata?.annotations ?? {};
  const was = old.metadata?.annotations ?? {};
  const changed = Object.keys(was).filter((key) => now[key] !== was[key]);
  for (const key in now) if (now[key] !== was[key] && !Object.hasOwn(was, key)) changed.push(key);
  for (const key of changed) {
    const did = Object.hasOwn(was, key) ? 'remove or update' : 'add';
    const path = at(field('metadata.annotations'), key);
    if (key.startsWith(appArmorContainer)) into.add(forbiddenField(path, `may not ${did} AppArmor annotations`));
    if (key === mirror) into.add(forbiddenField(path, `may not ${did} mirror pod annotation`));
  }
}
