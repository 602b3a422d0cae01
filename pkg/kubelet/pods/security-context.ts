/**
 * What containers may do: the pod's security context under the container's own, in the terms of the runtime; and whether that breaks the
 * rule that nobody is root. Pure. Source: kubelet `kuberuntime/security_context.go`, `securitycontext/util.go`.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import type { NamespaceModes, SecurityContext, SecurityProfile } from '../runtime/container-config.ts';
import type { ImageInfo } from '../runtime/runtime.ts';

/** The effective context of a container. */
export function securityContextOf(pod: Pod, container: Container): SecurityContext {
  const own = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  const runAsUser = own.runAsUser ?? shared.runAsUser;
  const runAsGroup = own.runAsGroup ?? shared.runAsGroup;
  const seccomp = profileOf(own.seccompProfile ?? shared.seccompProfile);
  const appArmor = profileOf(own.appArmorProfile ?? shared.appArmorProfile);
  const selinux = own.seLinuxOptions ?? shared.seLinuxOptions;
  const { add = [], drop = [] } = own.capabilities ?? {};
  const groups = [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])];
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(groups.length === 0 ? {} : { supplementalGroups: groups }),
    ...(shared.supplementalGroupsPolicy === 'Strict' ? { supplementalGroupsPolicy: 'strict' } : {}),
    ...(add.length === 0 ? {} : { addCapabilities: add.map(withoutPrefix) }),
    ...(drop.length === 0 ? {} : { dropCapabilities: drop.map(withoutPrefix) }),
    ...(own.privileged === true ? { privileged: true } : {}),
    ...(own.readOnlyRootFilesystem === true ? { readOnlyRoot: true } : {}),
    ...(own.allowPrivilegeEscalation === false ? { noNewPrivileges: true } : {}),
    ...(own.procMount === 'Unmasked' ? { isProcUnmasked: true } : {}),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(appArmor === undefined ? {} : { appArmor }),
    ...(selinux === undefined ? {} : { selinux }),
  };
}

/** Why the container may not run as the user that it would, or undefined. */
export function rootProblem(pod: Pod, container: Container, image: Pick<ImageInfo, 'user'>): string | undefined {
  const own = container.securityContext ?? {};
  const shared = pod.spec?.securityContext ?? {};
  if ((own.runAsNonRoot ?? shared.runAsNonRoot) !== true) return undefined;
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  const where = `(pod: "${name}_${namespace}(${uid})", container: ${container.name})`;
  const user = own.runAsUser ?? shared.runAsUser;
  if (user !== undefined) return user === 0 ? `container's runAsUser breaks non-root policy ${where}` : undefined;
  const imageUser = image.user ?? { uid: 0 };
  if ('name' in imageUser) {
    return `container has runAsNonRoot and image has non-numeric user (${imageUser.name}), cannot verify user is non-root ${where}`;
  }
  return imageUser.uid === 0 ? `container has runAsNonRoot and image will run as root ${where}` : undefined;
}

/** Whose namespaces a pod has. */
export function namespacesOf({ spec }: Pod): NamespaceModes {
  return {
    network: spec?.hostNetwork === true ? 'node' : 'pod',
    pid: spec?.hostPID === true ? 'node' : spec?.shareProcessNamespace === true ? 'pod' : 'container',
    ipc: spec?.hostIPC === true ? 'node' : 'pod',
    user: spec?.hostUsers === false ? 'pod' : 'node',
  };
}

interface ApiProfile {
  readonly type: string;
  readonly localhostProfile?: string;
}

function profileOf(profile: ApiProfile | undefined): SecurityProfile | undefined {
  switch (profile?.type) {
    case 'RuntimeDefault':
      return { type: 'runtimeDefault' };
    case 'Localhost':
      return { type: 'localhost', reference: profile.localhostProfile ?? '' };
    case 'Unconfined':
      return { type: 'unconfined' };
    default:
      return undefined;
  }
}

function withoutPrefix(name: string): string {
  return name.replace(/^CAP_/i, '').toUpperCase();
}
