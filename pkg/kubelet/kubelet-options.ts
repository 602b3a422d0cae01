/** What a kubelet is made of: settings of its node, its runtimes, and what it may use of the machine. */
import type { Node, NodeAddress, Pod, Taint } from '#pkg/api/types/core-v1.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { HostPorts } from '#pkg/network/host-ports.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import type { KeyedSource } from './keyed-source.ts';
import type { MachineFacts } from './node/node-status.ts';
import type { ProbeTransport } from './runtime/probe-transport.ts';
import type { Runtime } from './runtime/runtime.ts';
import type { VolumeHost } from './volumes/volume-host.ts';
import type { VolumePlugin } from './volumes/volume-plugin.ts';

export interface KubeletOptions {
  readonly deps: ComponentDeps;
  readonly nodeName: string;
  /** By RuntimeClass handler. */
  readonly runtimes: Readonly<Record<string, Runtime>>;
  /** Handler of pods without a RuntimeClass. */
  readonly defaultRuntime: string;
  readonly network: PodNetwork;
  /** For runtimes whose programs listen on the network. Whoever made it closes it. */
  readonly hostPorts?: HostPorts;
  readonly volumes: VolumeHost;
  /** The kinds of volumes that pods may have; default all there are. */
  readonly volumePlugins?: readonly VolumePlugin[];
  /** For runtimes whose programs listen on the network. */
  readonly probes?: ProbeTransport;
  /** The first `InternalIP` is the host's address. */
  readonly addresses: readonly NodeAddress[];
  readonly kubeletPort: number;
  readonly capacity: Readonly<Record<string, string>>;
  /** What pods may use of it; default all. */
  readonly allocatable?: Readonly<Record<string, string>>;
  /** Such as `v1.36.4`. */
  readonly version: string;
  readonly machine?: Partial<MachineFacts>;
  readonly nodeLabels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** The node's range of addresses when nobody else gives it one: registered with the node. */
  readonly podCidr?: string;
  /** Shared with other kubelets of the process (`sharedPodSource`); default: a watch of this node's pods. */
  readonly podSource?: KeyedSource<Pod>;
  /** Shared with other kubelets of the process (`sharedNodeSource`); default: a watch of this node. */
  readonly nodeSource?: KeyedSource<Node>;
}
