/**
 * Rules for the identities and confinements of containers and pods.
 * Source: upstream `ValidateSecurityContext`, `validatePodSpecSecurityContext` and the functions they call.
 */

import { sysctlSharedBy } from '#pkg/api/core/sysctls.ts';
import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, Sysctl } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
  required,
  tooLong,
} from '#pkg/apimachinery/field-error.ts';
import { doubleOf, isNumeric } from '#pkg/apimachinery/json.ts';
import { userIdProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkRelativePath } from '../../validation/paths.ts';
import { checkWindowsOptions } from './windows-options.ts';

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function checkIds(
  into: Collector,
  context: JsonObject,
  { path, fields }: { path: FieldPath; fields: readonly string[] },
): void {
  for (const field of fields) {
    const id = context[field];
    if (isNumeric(id)) into.problems(child(path, field), id, userIdProblems(doubleOf(id)));
  }
}

/** Checks the security context of one container. */
export function checkContainerSecurity(
  into: Collector,
  context: Given<SecurityContext> | undefined,
  { path, hostUsers }: { readonly path: FieldPath<SecurityContext>; readonly hostUsers: boolean },
): void {
  if (context === undefined) return;
  checkIds(into, context, { path, fields: ['runAsUser', 'runAsGroup'] });
  const { procMount } = context;
  into.oneOf(child(path, 'procMount'), procMount, ['Default', 'Unmasked']);
  if (hostUsers && procMount === 'Unmasked') {
    into.add(invalid(child(path, 'procMount'), procMount, '`hostUsers` must be false to use `Unmasked`'));
  }
  checkSeccomp(into, context.seccompProfile, child(path, 'seccompProfile'));
  if (context.allowPrivilegeEscalation === false) {
    const deny = (what: string): void =>
      into.add(invalid(path, context, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`));
    if (context.privileged === true) deny('`privileged` to true');
    if ((context.capabilities?.add ?? []).includes('CAP_SYS_ADMIN')) deny('`capabilities.Add` CAP_SYS_ADMIN');
  }
  checkWindowsOptions(into, context.windowsOptions, child(path, 'windowsOptions'));
  checkAppArmor(into, context.appArmorProfile, child(path, 'appArmorProfile'));
}

/** Checks the security context of a pod whose spec is at `specPath`. */
export function checkPodSecurity(into: Collector, spec: Given<PodSpec>, specPath: FieldPath<PodSpec>): void {
  const context = spec.securityContext;
  const path = child(specPath, 'securityContext');
  if (spec.hostPID === true && spec.shareProcessNamespace === true) {
    const detail = 'ShareProcessNamespace and HostPID cannot both be enabled';
    into.add(invalid(misnamed(path, 'shareProcessNamespace'), true, detail));
  }
  if (context !== undefined) {
    checkIds(into, context, { path, fields: ['fsGroup', 'runAsUser', 'runAsGroup'] });
    for (const [index, id] of (context.supplementalGroups ?? []).entries()) {
      into.problems(at(child(path, 'supplementalGroups'), index), id, userIdProblems(id));
    }
    checkSysctls(into, spec, child(path, 'sysctls'));
    into.oneOf(child(path, 'fsGroupChangePolicy'), context.fsGroupChangePolicy, ['Always', 'OnRootMismatch']);
    checkSeccomp(into, context.seccompProfile, child(path, 'seccompProfile'));
    checkWindowsOptions(into, context.windowsOptions, child(path, 'windowsOptions'));
    checkAppArmor(into, context.appArmorProfile, child(path, 'appArmorProfile'));
    into.oneOf(child(path, 'supplementalGroupsPolicy'), context.supplementalGroupsPolicy, ['Merge', 'Strict']);
    into.oneOf(child(path, 'seLinuxChangePolicy'), context.seLinuxChangePolicy, ['MountOption', 'Recursive']);
  }
  checkHostUsers(into, spec, specPath);
}

/** Users of their own go with namespaces of their own. */
function checkHostUsers(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  if (spec.hostUsers !== false) return;
  const detail = 'when `pod.Spec.HostUsers` is false';
  if (spec.hostNetwork === true) into.add(forbiddenField(child(path, 'hostNetwork'), detail));
  if (spec.hostPID === true) into.add(forbiddenField(misnamed(path, 'HostPID'), detail));
  if (spec.hostIPC === true) into.add(forbiddenField(misnamed(path, 'HostIPC'), detail));
}

const sysctlLengthMax = 253;
const sysctlSegment = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const sysctlPattern = `^(${sysctlSegment}[\\./])*${sysctlSegment}$`;
const sysctlSegmentPattern = new RegExp(`^${sysctlSegment}$`);

function checkSysctls(into: Collector, spec: Given<PodSpec>, path: FieldPath<readonly Sysctl[]>): void {
  const names = new Set<string>();
  for (const [index, sysctl] of (spec.securityContext?.sysctls ?? []).entries()) {
    const own = child(at(path, index), 'name');
    const name = sysctl.name ?? '';
    if (!into.needsText(own, name)) continue;
    if (name.length > sysctlLengthMax || !name.split(/[./]/).every((part) => sysctlSegmentPattern.test(part))) {
      const detail = `must have at most ${sysctlLengthMax} characters and match regex ${sysctlPattern}`;
      into.add(invalid(own, name, detail));
    } else if (names.has(name))
      into.add({ reason: 'FieldValueDuplicate', field: own, message: `Duplicate value: "${name}"` });
    names.add(name);
    const shared = sysctlSharedBy(name);
    if (shared === undefined || !spec[shared] === true) continue;
    into.add(invalid(own, name, `may not be specified when '${shared}' is true`));
  }
}

function checkSeccomp(
  into: Collector,
  profile: Given<SeccompProfile> | undefined,
  path: FieldPath<SeccompProfile>,
): void {
  if (profile === undefined) return;
  const { type, localhostProfile } = profile;
  const own = child(path, 'localhostProfile');
  if (into.needsText(child(path, 'type'), type, 'type is required when seccompProfile is set')) {
    into.oneOf(child(path, 'type'), type, profileTypes);
  }
  if (type !== 'Localhost') {
    if (localhostProfile === undefined) return;
    into.add(invalid(own, profile, 'can only be set when seccomp type is Localhost'));
  } else if (typeof localhostProfile !== 'string') {
    into.add(required(own, 'must be set when seccomp type is Localhost'));
  } else checkRelativePath(into, localhostProfile, own);
}

const profilePathMax = 4095;

function checkAppArmor(
  into: Collector,
  profile: Given<AppArmorProfile> | undefined,
  path: FieldPath<AppArmorProfile>,
): void {
  if (profile === undefined) return;
  const { type, localhostProfile } = profile;
  const own = child(path, 'localhostProfile');
  if (!into.needsText(child(path, 'type'), type, 'type is required when appArmorProfile is set')) return;
  into.oneOf(child(path, 'type'), type, profileTypes);
  if (type !== 'Localhost') {
    if (!profileTypes.includes(type) || localhostProfile === undefined) return;
    into.add(invalid(own, localhostProfile, 'can only be set when AppArmor type is Localhost'));
  } else if (typeof localhostProfile !== 'string' || localhostProfile === '') {
    into.add(required(own, 'must be set when AppArmor type is Localhost'));
  } else {
    if (localhostProfile.trim() !== localhostProfile) {
      into.add(invalid(own, localhostProfile, 'must not be padded with whitespace'));
    }
    if (Buffer.byteLength(localhostProfile) > profilePathMax) into.add(tooLong(own, profilePathMax));
  }
}
