/** The checks of the baseline. Source: pod-security-admission `policy/check_*.go`; Kubernetes documentation, "Pod Security Standards". */

import type { Container, LifecycleHandler, Probe, SELinuxOptions } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  badContainers,
  type Check,
  type CheckedPod,
  type CheckPod,
  containersOf,
  hasOwnUsers,
  namedContainers,
  plural,
  quoted,
  setters,
  sorted,
  type Violation,
} from './check.ts';

const profileTypes: ReadonlySet<string> = new Set(['Localhost', 'RuntimeDefault']);

/** Whether a seccomp or AppArmor profile is one of the safe ones. */
export function isSafeProfile({ type = '' }: { readonly type?: string }): boolean {
  return profileTypes.has(type);
}

const appArmorAnnotation = 'container.apparmor.security.beta.kubernetes.io/';

function checkAppArmor(pod: CheckedPod): Violation | undefined {
  const own = pod.spec.securityContext?.appArmorProfile;
  const isBad = ({ securityContext }: Given<Container>): boolean =>
    securityContext?.appArmorProfile !== undefined && !isSafeProfile(securityContext.appArmorProfile);
  const byPod = own !== undefined && !isSafeProfile(own);
  const values = sorted([
    ...(byPod ? [own.type ?? ''] : []),
    ...containersOf(pod)
      .filter(isBad)
      .map(({ securityContext }) => securityContext?.appArmorProfile?.type ?? ''),
  ]);
  const annotations = Object.entries(pod.annotations)
    .filter(([key, value]) => key.startsWith(appArmorAnnotation) && !/^$|^runtime\/default$|^localhost\//.test(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
  const who = setters(byPod, badContainers(pod, isBad));
  const all = [...who, ...(annotations.length === 0 ? [] : [plural('annotation', annotations.length)])];
  if (all.length === 0) return undefined;
  const bad = [...values, ...annotations];
  return {
    reason: plural('forbidden AppArmor profile', bad.length),
    detail: `${all.join(' and ')} must not set AppArmor profile type to ${quoted(bad)}`,
  };
}

const defaultCapabilities: ReadonlySet<string> = new Set([
  ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'SETFCAP'],
  ...['SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
]);

function checkCapabilities(pod: CheckedPod): Violation | undefined {
  const added = ({ securityContext }: Given<Container>): readonly string[] =>
    (securityContext?.capabilities?.add ?? []).filter((name) => !defaultCapabilities.has(name));
  const bad = badContainers(pod, (container) => added(container).length > 0);
  if (bad.length === 0) return undefined;
  const names = quoted(sorted(containersOf(pod).flatMap(added)));
  const detail = `${namedContainers(bad)} must not include ${names} in securityContext.capabilities.add`;
  return { reason: 'non-default capabilities', detail };
}

function checkHostNamespaces({ spec }: CheckedPod): Violation | undefined {
  const fields = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true);
  if (fields.length === 0) return undefined;
  return { reason: 'host namespaces', detail: fields.map((field) => `${field}=true`).join(', ') };
}

function checkHostPaths({ spec }: CheckedPod): Violation | undefined {
  const bad = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name = '' }) => name);
  if (bad.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural('volume', bad.length)} ${quoted(bad)}` };
}

function checkHostPorts(pod: CheckedPod): Violation | undefined {
  const portsOf = ({ ports }: Given<Container>): readonly string[] =>
    (ports ?? []).flatMap(({ hostPort }) => (hostPort === undefined || hostPort === 0 ? [] : [String(hostPort)]));
  const bad = badContainers(pod, (container) => portsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const ports = sorted(containersOf(pod).flatMap(portsOf));
  const uses = bad.length === 1 ? 'uses' : 'use';
  return {
    reason: 'hostPort',
    detail: `${namedContainers(bad)} ${uses} ${plural('hostPort', ports.length)} ${ports.join(', ')}`,
  };
}

function hostsOf(handler: Given<Probe | LifecycleHandler> | undefined): readonly string[] {
  return [handler?.httpGet?.host ?? '', handler?.tcpSocket?.host ?? ''].filter((host) => host !== '');
}

function checkProbeHosts(pod: CheckedPod): Violation | undefined {
  const all = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Given<Container>): readonly string[] =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(hostsOf);
  const bad = sorted(badContainers(pod, (container) => all(container).length > 0));
  if (bad.length === 0) return undefined;
  const hosts = sorted(containersOf(pod).flatMap(all));
  const uses = bad.length === 1 ? 'uses' : 'use';
  return {
    reason: 'probe or lifecycle host',
    detail: `${namedContainers(bad)} ${uses} ${plural('probe or lifecycle host', hosts.length)} ${quoted(hosts)}`,
  };
}

function checkPrivileged(pod: CheckedPod): Violation | undefined {
  const bad = badContainers(pod, ({ securityContext }) => securityContext?.privileged === true);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${namedContainers(bad)} must not set securityContext.privileged=true` };
}

/** Also a check of the restricted level, where users of a pod's own make no difference. */
export function checkProcMount(pod: CheckedPod): Violation | undefined {
  const typeOf = ({ securityContext }: Given<Container>): string => securityContext?.procMount ?? 'Default';
  const bad = badContainers(pod, (container) => typeOf(container) !== 'Default');
  if (bad.length === 0) return undefined;
  const types = sorted(containersOf(pod).map(typeOf)).filter((type) => type !== 'Default');
  return {
    reason: 'procMount',
    detail: `${namedContainers(bad)} must not set securityContext.procMount to ${quoted(types)}`,
  };
}

const seLinuxTypes: readonly string[] = ['', 'container_t', 'container_init_t', 'container_kvm_t'];

function seLinuxCheck(types: ReadonlySet<string>): CheckPod {
  const isBad = (options: SELinuxOptions | undefined): boolean =>
    options !== undefined && (!types.has(options.type ?? '') || Boolean(options.user) || Boolean(options.role));
  return (pod) => {
    const own = pod.spec.securityContext?.seLinuxOptions;
    const who = setters(
      isBad(own),
      badContainers(pod, ({ securityContext }) => isBad(securityContext?.seLinuxOptions)),
    );
    if (who.length === 0) return undefined;
    const all = [own, ...containersOf(pod).map(({ securityContext }) => securityContext?.seLinuxOptions)];
    const badTypes = sorted(all.map((options) => options?.type ?? '')).filter((type) => !types.has(type));
    const data = [
      ...(badTypes.length === 0 ? [] : [`${plural('type', badTypes.length)} ${quoted(badTypes)}`]),
      ...(all.some((options) => options?.user) ? ['user may not be set'] : []),
      ...(all.some((options) => options?.role) ? ['role may not be set'] : []),
    ];
    const detail = `${who.join(' and ')} set forbidden securityContext.seLinuxOptions: ${data.join('; ')}`;
    return { reason: 'seLinuxOptions', detail };
  };
}

const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainerAnnotation = 'container.seccomp.security.alpha.kubernetes.io/';

/** Until version 1.18 profiles were annotations. */
function checkSeccompAnnotations(pod: CheckedPod): Violation | undefined {
  const keys = [seccompPodAnnotation, ...containersOf(pod).map(({ name = '' }) => seccompContainerAnnotation + name)];
  const bad = sorted(
    keys.flatMap((key) => {
      const value = Object.hasOwn(pod.annotations, key) ? pod.annotations[key] : undefined;
      const isSafe = value === undefined || /^(runtime|docker)\/default$|^localhost\//.test(value);
      return isSafe ? [] : [`${key}=${JSON.stringify(value)}`];
    }),
  );
  if (bad.length === 0) return undefined;
  return { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', bad.length)} ${bad.join(', ')}` };
}

/** What sets a profile that is not safe; also a part of the restricted level. */
export function checkSeccomp(pod: CheckedPod): Violation | undefined {
  const own = pod.spec.securityContext?.seccompProfile;
  const byPod = own !== undefined && !isSafeProfile(own);
  const isBad = ({ securityContext }: Given<Container>): boolean =>
    securityContext?.seccompProfile !== undefined && !isSafeProfile(securityContext.seccompProfile);
  const who = setters(byPod, badContainers(pod, isBad));
  if (who.length === 0) return undefined;
  const types = sorted([
    ...(byPod ? [own.type ?? ''] : []),
    ...containersOf(pod)
      .filter(isBad)
      .map(({ securityContext }) => securityContext?.seccompProfile?.type ?? ''),
  ]);
  const detail = `${who.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(types)}`;
  return { reason: 'seccompProfile', detail };
}

const sysctls1_0: readonly string[] = [
  'kernel.shm_rmid_forced',
  ...['net.ipv4.ip_local_port_range', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range'],
  'net.ipv4.ip_unprivileged_port_start',
];
const sysctls1_27: readonly string[] = [...sysctls1_0, 'net.ipv4.ip_local_reserved_ports'];
const sysctls1_29: readonly string[] = [
  ...sysctls1_27,
  ...['net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout'],
  ...['net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes'],
];
const sysctls1_32: readonly string[] = [...sysctls1_29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];

function sysctlCheck(safe: readonly string[]): CheckPod {
  return ({ spec }) => {
    const names = (spec.securityContext?.sysctls ?? [])
      .map(({ name = '' }) => name)
      .filter((name) => !safe.includes(name));
    return names.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: names.join(', ') };
  };
}

function checkHostProcess(pod: CheckedPod): Violation | undefined {
  const who = setters(
    pod.spec.securityContext?.windowsOptions?.hostProcess === true,
    badContainers(pod, ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true),
  );
  if (who.length === 0) return undefined;
  const detail = `${who.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`;
  return { reason: 'hostProcess', detail };
}

function baseline(id: string, ...versions: Check['versions']): Check {
  return { id, level: 'baseline', versions };
}

/** In the order in which violations are told. */
export const baselineChecks: readonly Check[] = [
  baseline('appArmorProfile', [0, checkAppArmor]),
  baseline('capabilities_baseline', [0, checkCapabilities]),
  baseline('hostNamespaces', [0, checkHostNamespaces]),
  baseline('hostPathVolumes', [0, checkHostPaths]),
  baseline('hostPorts', [0, checkHostPorts]),
  baseline('hostProbesAndHostLifecycle', [34, checkProbeHosts]),
  baseline('privileged', [0, checkPrivileged]),
  baseline('procMount', [0, checkProcMount], [35, (pod) => (hasOwnUsers(pod) ? undefined : checkProcMount(pod))]),
  baseline(
    'seLinuxOptions',
    [0, seLinuxCheck(new Set(seLinuxTypes))],
    [31, seLinuxCheck(new Set([...seLinuxTypes, 'container_engine_t']))],
  ),
  baseline('seccompProfile_baseline', [0, checkSeccompAnnotations], [19, checkSeccomp]),
  baseline(
    'sysctls',
    [0, sysctlCheck(sysctls1_0)],
    [27, sysctlCheck(sysctls1_27)],
    [29, sysctlCheck(sysctls1_29)],
    [32, sysctlCheck(sysctls1_32)],
  ),
  baseline('windowsHostProcess', [0, checkHostProcess]),
];
