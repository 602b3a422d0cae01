/** What every pod of one node shares: the parts of the kubelet that a pod worker works with. */
import type { Pod, Service } from '#pkg/api/types/core-v1.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { HostPorts } from '#pkg/network/host-ports.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import type { ObjectReader } from '../env/environment.ts';
import type { ImagePuller } from '../images/image-puller.ts';
import type { BackOff } from '../model/back-off.ts';
import type { Pinning } from '../pinning/pinning.ts';
import type { PodPlugins } from '../plugins/plugin-needs.ts';
import type { ProbeCounts } from '../probes/probe-counts.ts';
import type { ProbeTransport } from '../runtime/probe-transport.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { StatusManager } from '../status/status-manager.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import type { Allocations } from './allocations.ts';
import type { NodeNames } from './node-names.ts';

/** The runtimes of pods. */
export interface PodRuntimeSource {
  /** The runtime of a pod, and by which way of its own it is to run it, absent for its default; undefined while there is none for the pod's class. */
  of(pod: Pod): { readonly runtime: Runtime; readonly handler?: string } | undefined;
  /** Why a pod has none yet, in one sentence. */
  problem(pod: Pod): string;
  /** For what is asked of a runtime by whoever has nothing there yet. */
  readonly fallback: Runtime;
}

/** The parts of one kubelet. */
export interface PodContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly recorder: EventRecorder;
  readonly nodeName: string;
  /** The node's addresses, the first one first. */
  readonly hostIps: readonly string[];
  readonly network: PodNetwork;
  /** Absent where nothing listens: on nodes that only simulate. */
  readonly hostPorts: HostPorts | undefined;
  readonly volumes: PodVolumes;
  /** How pods find names. Absent where nothing asks for any: on nodes that only simulate. */
  readonly names: NodeNames | undefined;
  readonly statuses: StatusManager;
  readonly images: ImagePuller;
  readonly crashBackOff: BackOff;
  /** For runtimes that do not answer probes themselves. */
  readonly probes: ProbeTransport | undefined;
  /** How probes have ended. */
  readonly probeCounts: ProbeCounts;
  readonly reader: ObjectReader;
  /** Aborted when the kubelet stops. */
  readonly stopping: AbortSignal;
  /** What the node has allotted to its pods. */
  readonly allocations: Pick<Allocations, 'allotted' | 'generation' | 'pending' | 'retry'>;
  /** Who gives containers processors and memory of their own. */
  readonly pinning: Pick<Pinning, 'fitContainer' | 'fitPod'>;
  /** Who asks plugins; absent where no pod has anything of any. */
  readonly plugins: PodPlugins | undefined;
  /** Which runtimes pods have. */
  readonly runtimes: PodRuntimeSource;
  services(): readonly Service[];
  allocatable(): Readonly<Record<string, string>>;
  /** Runs `work` in the background; the kubelet waits for it when it stops. Errors are logged. */
  background(work: () => Promise<void>): void;
  /** Everything of this pod has ended and it is gone from the API. */
  forget(pod: Pod): void;
}
