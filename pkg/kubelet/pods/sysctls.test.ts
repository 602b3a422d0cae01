/** Parameters of the kernel: what pods may set, what a node allows besides, and what becomes of a pod that sets others. */
import { expect, test } from 'vitest';
import type { Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { pod, start } from '../testing/virtual-node.ts';
import { sysctlRefusal } from './sysctls.ts';

const setting = (name: string, spec: Partial<PodSpec> = {}): Pod =>
  pod('p', { spec: { ...spec, securityContext: { sysctls: [{ name, value: '1' }] } } });

test.each<[string, Partial<PodSpec>, readonly string[], string | undefined]>([
  ['kernel.shm_rmid_forced', {}, [], undefined],
  ['net/ipv4/tcp_syncookies', {}, [], undefined],
  ['net.core.somaxconn', {}, [], 'not allowlisted'],
  ['net.core.somaxconn', {}, ['net.core.somaxconn'], undefined],
  ['net.core.somaxconn', {}, ['net.*', 'kernel.msg*'], undefined],
  ['kernel.msgmax', {}, ['net.*'], 'not allowlisted'],
  ['net.ipv4.tcp_syncookies', { hostNetwork: true }, [], 'not allowed with host net enabled'],
  ['kernel.shm_rmid_forced', { hostIPC: true }, [], 'not allowed with host ipc enabled'],
])('%s with %j, where %j are allowed', (name, spec, allowed, why) => {
  expect(sysctlRefusal(setting(name, spec), allowed)?.message).toBe(
    why === undefined ? undefined : `forbidden sysctl: ${JSON.stringify(name)} ${why}`,
  );
});

test('a node refuses a pod that sets what it does not allow', async () => {
  for (const [allowedUnsafeSysctls, phase] of [
    [[], 'Failed'],
    [['net.core.*'], 'Running'],
  ] as const) {
    const cluster = await start({ allowedUnsafeSysctls });
    await cluster.client.resource(pods).create(setting('net.core.somaxconn'));
    await cluster.clock.settle();
    const { status } = await cluster.client.resource(pods).get('p', { namespace: 'default' });
    expect([status?.phase, status?.reason]).toEqual([phase, phase === 'Failed' ? 'SysctlForbidden' : undefined]);
  }
});
