/** One node: a kubelet with the runtime, network and folders that its settings name. */
import { arch, availableParallelism, hostname, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Node, NodeAddress, Pod } from '#pkg/api/types/core-v1.ts';
import type { Informers } from '#pkg/client/informer.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import type { KeyedSource } from '#pkg/kubelet/keyed-source.ts';
import type { Kubelet } from '#pkg/kubelet/kubelet.ts';
import type { ProbeTransport } from '#pkg/kubelet/runtime/probe-transport.ts';
import type { Runtime } from '#pkg/kubelet/runtime/runtime.ts';
import type { VolumeHost } from '#pkg/kubelet/volumes/volume-host.ts';
import type { HostPorts } from '#pkg/network/host-ports.ts';
import { depsOf, type PartContext, withInformers } from './parts.ts';
import { kubernetesRelease, type RuntimeName } from './settings.ts';

export interface NodePartOptions {
  readonly nodeName: string;
  /** Default 127.0.0.1. */
  readonly nodeAddress?: string;
  readonly runtime: RuntimeName;
  /** Folder of the node's volumes and logs. */
  readonly folder: string;
  /** Port at which the kubelet's own API answers. */
  readonly kubeletPort: number;
  /** How many nodes share this machine: each offers its part. */
  readonly nodesOnMachine: number;
  /** What the nodes of one process watch together, which whoever made it runs. Default: this node watches for itself. */
  readonly shared?: NodeWatches;
}

/** One watch each of pods, nodes and what else kubelets look at, for all nodes of a process; each writes in its own name. */
export interface NodeWatches extends Component {
  readonly informers: Informers;
  readonly pods: KeyedSource<Pod>;
  readonly nodes: KeyedSource<Node>;
}

export interface NodePart extends Component {
  readonly kubelet: Kubelet;
}

const nodeAddressDefault = '127.0.0.1';
/** Pods that a node takes at most. Source: kubelet default `maxPods`. */
const podsMax = 110;
/** Port of kubelets that answer in the API server's own process. Source: kubelet default. */
export const defaultKubeletPort = 10_250;

const machineNames: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** Watches in the name of `context`, which may read what they watch. */
export async function nodeWatches(context: PartContext): Promise<NodeWatches> {
  const { sharedNodeSource, sharedPodSource } = await import('#pkg/kubelet/kubelet.ts');
  const deps = depsOf(context, 'kubelet');
  const { informers } = deps;
  return {
    informers,
    pods: sharedPodSource(deps),
    nodes: sharedNodeSource(deps),
    run: (signal) => informers.run(signal),
  };
}

export async function nodePart(context: PartContext, options: NodePartOptions): Promise<NodePart> {
  const [{ createKubelet }, { createLoopbackNetwork }] = await Promise.all([
    import('#pkg/kubelet/kubelet.ts'),
    import('#pkg/network/loopback/loopback-network.ts'),
  ]);
  const { shared } = options;
  const own = depsOf(context, 'kubelet');
  const deps = shared === undefined ? own : { ...own, informers: shared.informers };
  const node = await runtimeOf(deps, options);
  const addresses: readonly NodeAddress[] = [
    { type: 'InternalIP', address: options.nodeAddress ?? nodeAddressDefault },
    { type: 'Hostname', address: options.nodeName },
  ];
  const kubelet = createKubelet({
    deps,
    nodeName: options.nodeName,
    runtimes: { [options.runtime]: node.runtime },
    defaultRuntime: options.runtime,
    network: createLoopbackNetwork(),
    volumes: node.volumes,
    ...(node.probes === undefined ? {} : { probes: node.probes }),
    ...(node.hostPorts === undefined ? {} : { hostPorts: node.hostPorts }),
    addresses,
    kubeletPort: options.kubeletPort,
    ...(shared === undefined ? {} : { podSource: shared.pods, nodeSource: shared.nodes }),
    capacity: options.runtime === 'fake' ? fakeCapacity : capacity(options.nodesOnMachine),
    version: kubernetesRelease,
    machine: {
      machineId: hostname(),
      kernelVersion: release(),
      operatingSystem: platform(),
      architecture: machineNames[arch()] ?? arch(),
      osImage: 'Coxswain',
    },
  });
  const running = shared === undefined ? withInformers(deps, kubelet) : kubelet;
  return {
    kubelet,
    run: async (signal) => {
      try {
        await running.run(signal);
      } finally {
        await node.close();
      }
    },
  };
}

/** What a node offers whose pods use nothing of the machine: as much however many there are. */
const fakeCapacity = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '10Gi', pods: String(podsMax) };

/** A fair share of the machine. */
function capacity(nodesOnMachine: number): Readonly<Record<string, string>> {
  const share = Math.max(1, nodesOnMachine);
  return {
    cpu: `${Math.floor((availableParallelism() * 1000) / share)}m`,
    memory: `${Math.floor(totalmem() / 1024 / share)}Ki`,
    'ephemeral-storage': '10Gi',
    pods: String(podsMax),
  };
}

interface NodeRuntime {
  readonly runtime: Runtime;
  readonly volumes: VolumeHost;
  readonly probes?: ProbeTransport;
  readonly hostPorts?: HostPorts;
  close(): Promise<void>;
}

async function runtimeOf(deps: ComponentDeps, options: NodePartOptions): Promise<NodeRuntime> {
  if (options.runtime === 'fake') {
    const [{ createFakeRuntime }, { memoryVolumeHost }] = await Promise.all([
      import('#pkg/kubelet/runtime/fake/fake-runtime.ts'),
      import('#pkg/kubelet/volumes/volume-host.ts'),
    ]);
    return { runtime: createFakeRuntime(deps), volumes: memoryVolumeHost(), close: async () => {} };
  }
  const [{ createInProcessRuntime }, { diskVolumeHost }, { socketProbeTransport }, network] = await Promise.all([
    import('#pkg/kubelet/runtime/inprocess/inprocess-runtime.ts'),
    import('#pkg/kubelet/volumes/disk-volume-host.ts'),
    import('#pkg/kubelet/probes/socket-transport.ts'),
    import('#pkg/network/loopback/loopback-host-ports.ts'),
  ]);
  const nodeAddress = options.nodeAddress ?? nodeAddressDefault;
  const hostPorts = network.createLoopbackHostPorts({ clock: deps.clock, nodeAddress });
  const runtime = createInProcessRuntime({ ...deps, dataDir: join(options.folder, 'containers') });
  return {
    runtime,
    volumes: diskVolumeHost(join(options.folder, 'volumes')),
    probes: socketProbeTransport(deps),
    hostPorts,
    close: async () => {
      await runtime.close();
      await hostPorts.close();
    },
  };
}
