/** Rules for pods on Windows nodes, and for fields that only one of the systems has. Source: upstream `validateWindows`, `validateLinux`. */
import type { PodSpec, WindowsSecurityContextOptions } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldPath, forbiddenField, invalid } from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Collector } from '../../validation/collector.ts';
import { placedContainers } from './placed-containers.ts';

const credentialSpecKibMax = 64;
const domainLengthMax = 256;
const userLengthMax = 104;
const netBiosName = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const dnsLabel = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/;

/** Checks the `windowsOptions` of a pod or a container; missing ones pass. */
export function checkWindowsOptions(
  into: Collector,
  options: Given<WindowsSecurityContextOptions> | undefined,
  path: FieldPath<WindowsSecurityContextOptions>,
): void {
  if (options === undefined) return;
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options;
  if (typeof gmsaCredentialSpecName === 'string') {
    const own = child(path, 'gmsaCredentialSpecName');
    into.problems(own, gmsaCredentialSpecName, dns1123SubdomainProblems(gmsaCredentialSpecName));
  }
  if (typeof gmsaCredentialSpec === 'string') {
    const own = child(path, 'gmsaCredentialSpec');
    if (gmsaCredentialSpec === '') {
      into.add(invalid(own, gmsaCredentialSpec, 'gmsaCredentialSpec cannot be an empty string'));
    } else if (Buffer.byteLength(gmsaCredentialSpec) > credentialSpecKibMax * 1024) {
      const detail = `gmsaCredentialSpec size must be under ${credentialSpecKibMax} KiB`;
      into.add(invalid(own, gmsaCredentialSpec, detail));
    }
  }
  if (typeof runAsUserName !== 'string') return;
  for (const problem of userNameProblems(runAsUserName)) {
    into.add(invalid(child(path, 'runAsUserName'), runAsUserName, problem));
  }
}

/** What is wrong with `[DOMAIN\]USER`. */
function userNameProblems(name: string): readonly string[] {
  if (name === '') return ['runAsUserName cannot be an empty string'];
  if (/\p{Cc}/u.test(name)) return ['runAsUserName cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const user = parts.at(-1)!;
  const problems = parts.length === 2 ? domainProblems(parts[0]!) : [];
  if (user === '') problems.push("runAsUserName's User cannot be empty");
  else if (user.length > userLengthMax) {
    problems.push(`runAsUserName's User length must not be longer than ${userLengthMax} characters`);
  }
  if (/^[. ]+$/.test(user)) problems.push("runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    problems.push('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]');
  }
  return problems;
}

function domainProblems(domain: string): string[] {
  const problems: string[] = [];
  if (domain.length >= domainLengthMax) {
    problems.push(`runAsUserName's Domain length must be under ${domainLengthMax} characters`);
  }
  if (!netBiosName.test(domain) && !domain.split('.').every((label) => dnsLabel.test(label))) {
    problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  }
  return problems;
}

/** Containers that run as processes of a Windows host: all of a pod or none. */
export function checkHostProcess(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  const containers = placedContainers(spec, path);
  let count = 0;
  for (const { container, path: own } of containers) {
    const ofContainer = container.securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && ofContainer !== undefined && ofPod !== ofContainer) {
      const detail = `pod hostProcess value must be identical if both are specified, was ${String(ofPod)}`;
      into.add(invalid(child(own, 'securityContext.windowsOptions.hostProcess'), ofContainer, detail));
    }
    if ((ofContainer ?? ofPod) === true) count++;
  }
  if (count === 0) return;
  if (count !== containers.length) {
    const detail = 'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    into.add(invalid(path, '', detail));
  }
  if (spec.hostNetwork !== true) {
    const detail = 'hostNetwork must be true if pod contains any hostProcess containers';
    into.add(invalid(child(path, 'hostNetwork'), false, detail));
  }
}

/** Fields of a spec and of security contexts that mean nothing on Windows. */
const linuxPodFields = ['hostUsers', 'hostPID', 'hostIPC', 'shareProcessNamespace'];
/** Flags whose `false` upstream cannot tell from their absence. */
const plainFlags: ReadonlySet<string> = new Set(['hostPID', 'hostIPC']);
const linuxPodContext = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
];
const linuxContainerContext = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
];

/** Checks that a pod which says its system has only fields of that system. */
export function checkOs(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  const os = spec.os;
  if (os === undefined) return;
  const name = os.name ?? '';
  if (!into.needsText(child(child(path, 'os'), 'name'), name, 'cannot be empty')) return;
  into.oneOf(child(path, 'os'), name, ['linux', 'windows']);
  if (name === 'linux') refuseWindowsFields(into, spec, path);
  if (name === 'windows') refuseLinuxFields(into, spec, path);
}

function refuseWindowsFields(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  const detail = 'windows options cannot be set for a linux pod';
  if (spec.securityContext?.windowsOptions !== undefined) {
    into.add(forbiddenField(child(path, 'securityContext.windowsOptions'), detail));
  }
  for (const { container, path: own } of placedContainers(spec, path)) {
    if (container.securityContext?.windowsOptions === undefined) continue;
    into.add(forbiddenField(child(own, 'securityContext.windowsOptions'), detail));
  }
}

function refuseLinuxFields(into: Collector, spec: Given<PodSpec>, path: FieldPath<PodSpec>): void {
  const refuse = (from: JsonObject | undefined, fields: readonly string[], own: FieldPath): void => {
    for (const field of fields) {
      const value = from?.[field];
      if (value === undefined || (value === false && plainFlags.has(field))) continue;
      into.add(forbiddenField(child(own, field), 'cannot be set for a windows pod'));
    }
  };
  refuse(spec.securityContext, linuxPodContext, child(path, 'securityContext'));
  refuse(spec, linuxPodFields, path);
  for (const { container, path: own } of placedContainers(spec, path)) {
    refuse(container.securityContext, linuxContainerContext, child(own, 'securityContext'));
  }
}
