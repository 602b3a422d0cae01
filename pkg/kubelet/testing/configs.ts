/** Sandboxes and containers for tests of runtimes: those of a plain pod, but for what a test says. */
import type { ContainerConfig, SandboxConfig } from '../runtime/container-config.ts';

/** A sandbox of a pod without wishes. */
export function makeSandboxConfig(fields: Partial<SandboxConfig> = {}): SandboxConfig {
  return {
    podUid: 'uid-1',
    podName: 'web',
    podNamespace: 'default',
    attempt: 0,
    hostname: 'web',
    labels: {},
    annotations: {},
    namespaces: { network: 'pod', pid: 'container', ipc: 'pod', user: 'node' },
    sysctls: {},
    ...fields,
  };
}

/** A container without wishes. */
export function makeContainerConfig(fields: Partial<ContainerConfig> & { readonly image: string }): ContainerConfig {
  return {
    name: 'app',
    attempt: 0,
    imageRef: '',
    command: [],
    args: [],
    env: {},
    addresses: ['127.0.0.1'],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    resources: {},
    security: {},
    terminationMessagePath: '/dev/termination-log',
    specHash: 'app',
    ...fields,
  };
}
