/** Where a container runtime answers by the Container Runtime Interface, as flags say it. Pure. */
import type { ComponentFlags } from './settings.ts';

/** containerd's. Source: kubelet default `containerRuntimeEndpoint`. */
export const criEndpointDefault = 'unix:///run/containerd/containerd.sock';

/** Where the runtime `cri` is in a node's folder. */
export const criFolder = 'cri';

const scheme = 'unix://';

/** Why a value names no socket; undefined where it does. */
export function criEndpointProblem(value: string): string | undefined {
  return socketOf(value) === undefined ? 'must be unix:///path, or a path that begins with /' : undefined;
}

/** The path of the socket; undefined for what names none. */
export function socketOf(endpoint: string): string | undefined {
  const path = endpoint.startsWith(scheme) ? endpoint.slice(scheme.length) : endpoint;
  return path.startsWith('/') ? path : undefined;
}

/** The one that the nodes of a cluster are told of. */
export function criEndpointOf(flags: ComponentFlags): string {
  return flags['kubelet']?.['container-runtime-endpoint'] ?? criEndpointDefault;
}
