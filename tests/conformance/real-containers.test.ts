/** What only real containers show: whom a program is, what it may, and what it finds of the kernel. On a machine that makes none they are skipped. */
import { expect } from 'vitest';
import type { PodSpec, SecurityContext } from '#pkg/api/types/core-v1.ts';
import { busybox as image, onBusyboxCluster } from './busybox-stage.ts';

const cluster = onBusyboxCluster();
const { behaviour } = cluster;

/** What a script prints, with what goes wrong in it. */
const printed = (script: string, securityContext: SecurityContext = {}, spec: Partial<PodSpec> = {}): Promise<string> =>
  cluster.printed(script, { securityContext }, spec);

behaviour(
  '[sig-node] Kubelet when scheduling a read only busybox container should not write to root filesystem [LinuxOnly] [NodeConformance]',
  async () => {
    const text = await printed('echo test >/file; cat /file', { readOnlyRootFilesystem: true });
    expect(text).toContain("can't create /file: Read-only file system");
  },
);

const security = '[sig-node] Security Context';

behaviour(
  `${security} When creating a container with runAsUser should run the container with uid 65534 [LinuxOnly] [NodeConformance]`,
  async () => {
    expect(await printed('id -u', { runAsUser: 65534 })).toBe('65534\n');
  },
);

behaviour(
  `${security} When creating a pod with privileged should run the container as unprivileged when false [LinuxOnly] [NodeConformance]`,
  async () => {
    expect(await printed('mount -t tmpfs none /tmp', { privileged: false })).toContain('permission denied');
    expect(await printed('mount -t tmpfs none /tmp && echo mounted', { privileged: true })).toBe('mounted\n');
  },
);

behaviour(
  `${security} When creating a pod with readOnlyRootFilesystem should run the container with writable rootfs when readOnlyRootFilesystem=false [NodeConformance]`,
  async () => {
    expect(await printed('echo written >/file; cat /file', { readOnlyRootFilesystem: false })).toBe('written\n');
  },
);

behaviour(
  `${security} should support container.SecurityContext.RunAsUser And container.SecurityContext.RunAsGroup [LinuxOnly]`,
  async () => {
    expect(await printed('id -u; id -g', { runAsUser: 1001, runAsGroup: 2002 })).toBe('1001\n2002\n');
  },
);

behaviour(
  `${security} should support pod.Spec.SecurityContext.RunAsUser And pod.Spec.SecurityContext.RunAsGroup [LinuxOnly]`,
  async () => {
    const securityContext = { runAsUser: 1001, runAsGroup: 2002 };
    expect(await printed('id -u; id -g', {}, { securityContext })).toBe('1001\n2002\n');
  },
);

behaviour(
  `${security} when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false [LinuxOnly] [NodeConformance]`,
  async () => {
    const mark = async (allowPrivilegeEscalation: boolean): Promise<string | undefined> => {
      const text = await printed('cat /proc/self/status', { runAsUser: 1000, allowPrivilegeEscalation });
      return /^NoNewPrivs:\s*(\d)$/m.exec(text)?.[1];
    };
    expect([await mark(false), await mark(true)]).toEqual(['1', '0']);
  },
);

behaviour(
  '[sig-node] Sysctls [LinuxOnly] [NodeConformance] should support sysctls [Environment:NotInUserNS]',
  async () => {
    const sysctls = [{ name: 'kernel.shm_rmid_forced', value: '1' }];
    expect(await printed('cat /proc/sys/kernel/shm_rmid_forced', {}, { securityContext: { sysctls } })).toBe('1\n');
  },
);

behaviour(
  '[sig-node] Container Runtime blackbox test on terminated container should report termination message if TerminationMessagePath is set as non-root user and at a non-default path [NodeConformance]',
  async (stage) => {
    const terminationMessagePath = '/dev/termination-custom-log';
    const container = {
      name: 'main',
      image,
      command: ['sh', '-c', `echo -n DONE >${terminationMessagePath}`],
      terminationMessagePath,
      securityContext: { runAsUser: 10_000 },
    };
    const { metadata } = await stage.create({ restartPolicy: 'Never', containers: [container] });
    const ended = await stage.until(metadata?.name ?? '', ({ status }) => status?.phase === 'Succeeded');
    expect(ended.status?.containerStatuses?.[0]?.state?.terminated?.message).toBe('DONE');
  },
);
