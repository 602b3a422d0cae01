/** What a kubelet is made of: settings of its node, its runtimes, and what it may use of the machine. */
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { HostPorts } from '#pkg/network/host-ports.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import type { EvictionSettings } from './eviction/eviction-manager.ts';
import type { Observations } from './eviction/thresholds.ts';
import type { CredentialProvider } from './images/credential-providers.ts';
import type { ImageCollectionSettings, ImageCollectorDeps } from './images/image-collector.ts';
import type { KeyedSource } from './keyed-source.ts';
import type { NodeSettings } from './node/node-settings.ts';
import type { NodePlugins, NodePluginsDeps } from './node-plugins.ts';
import type { PinningOptions } from './pinning/pinning.ts';
import type { NodeNames } from './pods/node-names.ts';
import type { ProbeTransport } from './runtime/probe-transport.ts';
import type { ShutdownPeriod } from './shutdown/shutdown-groups.ts';
import type { StaticPodSettings } from './static-pods/static-pods.ts';
import type { VolumeHost } from './volumes/volume-host.ts';
import type { VolumePlugin } from './volumes/volume-plugin.ts';

/** What one kubelet is made of. */
export interface KubeletOptions extends NodeSettings, PinningOptions {
  readonly deps: ComponentDeps;
  /** How long a renewal of the node's lease counts, in seconds; it is renewed four times in that. Default 40. */
  readonly leaseSeconds?: number;
  readonly network: PodNetwork;
  /** For runtimes whose programs listen on the network. Whoever made it closes it. */
  readonly hostPorts?: HostPorts;
  readonly volumes: VolumeHost;
  /** The kinds of volumes that pods may have; default all there are. */
  readonly volumePlugins?: readonly VolumePlugin[];
  /** When pods are ended for the sake of the node, and how it is seen that they have to be. Absent on nodes that only simulate. */
  readonly eviction?: EvictionSettings & { readonly observe: () => Promise<Observations> };
  /** When images are taken away, and the disk that they are on. Absent on nodes that only simulate. */
  readonly imageCollection?: ImageCollectionSettings & Pick<ImageCollectorDeps, 'observe'>;
  /** Programs that have logins for pulls, beside pods' secrets. Default: none. */
  readonly credentialProviders?: readonly CredentialProvider[];
  /** Makes what finds plugins and asks them, for one run of the kubelet. Absent where no pod has anything of any. */
  readonly plugins?: (deps: NodePluginsDeps) => NodePlugins;
  /** Parameters of the kernel that pods may set besides the safe ones. Default: none. */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** Pods that the node runs whether the API knows of them or not. Default: none. */
  readonly staticPods?: StaticPodSettings;
  /** How much time pods get when the node shuts down, by their priorities. Default: they are left as they are. */
  readonly shutdown?: readonly ShutdownPeriod[];
  /** How pods find names; absent on nodes that only simulate. */
  readonly names?: NodeNames;
  /** For runtimes whose programs listen on the network. */
  readonly probes?: ProbeTransport;
  /** The node's range of addresses when nobody else gives it one: registered with the node. */
  readonly podCidr?: string | undefined;
  /** Shared with other kubelets of the process (`sharedPodSource`); default: a watch of this node's pods. */
  readonly podSource?: KeyedSource<Pod>;
  /** Shared with other kubelets of the process (`sharedNodeSource`); default: a watch of this node. */
  readonly nodeSource?: KeyedSource<Node>;
}
