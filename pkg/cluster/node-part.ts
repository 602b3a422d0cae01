/** One node: a kubelet with the runtime, network and folders that its settings name. */

import { readFileSync } from 'node:fs';
import { arch, availableParallelism, hostname, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Informers } from '#pkg/client/informer.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { runTogether } from '#pkg/component/signals.ts';
import type { EvictionSettings } from '#pkg/kubelet/eviction/eviction-manager.ts';
import type { ImageCollectionSettings } from '#pkg/kubelet/images/image-collector.ts';
import type { KeyedSource } from '#pkg/kubelet/keyed-source.ts';
import type { Kubelet } from '#pkg/kubelet/kubelet.ts';
import type { KubeletOptions } from '#pkg/kubelet/kubelet-options.ts';
import type { MachineFacts } from '#pkg/kubelet/node/node-status.ts';
import { kubeletFolderName } from '#pkg/kubelet/plugins/kubelet-folder.ts';
import type { Runtime } from '#pkg/kubelet/runtime/runtime.ts';
import type { LinkIdentity } from '#pkg/kubelet/runtime/vm/guest/link.ts';
import type { Machines } from '#pkg/kubelet/runtime/vm/machines.ts';
import { runToShutdown } from '#pkg/kubelet/shutdown/run-to-shutdown.ts';
import type { ShutdownPeriod } from '#pkg/kubelet/shutdown/shutdown-groups.ts';
import type { NodeMount } from '#pkg/kubelet/volumes/node-mounts.ts';
import { loopbackDnsPort } from '#pkg/network/loopback/dns-port.ts';
import { type AskedSettings, askedParts } from './asked-parts.ts';
import { criEndpointDefault } from './cri-endpoint.ts';
import type { NetworkKind, NetworkPlace } from './networks.ts';
import type { NodeTaint } from './node-spec.ts';
import { ociRuntimesDefault } from './oci-runtimes.ts';
import type { PartTables } from './part-tables.ts';
import { depsOf, type PartContext, withInformers } from './parts.ts';
import { kubernetesRelease } from './release.js';
import { areSimulated, runtimeProblem, runtimesOf } from './runtimes.ts';
import { clusterDomain } from './settings.ts';

/** What one node is made of. */
export interface NodePartOptions extends AskedSettings, Pick<KubeletOptions, 'podCidr'> {
  readonly nodeName: string;
  /** Default 127.0.0.1. */
  readonly nodeAddress?: string;
  /** Names of the node's runtimes with commas between them; the first is for pods without a RuntimeClass. */
  readonly runtime: string;
  /** Name of its network. */
  readonly network: string;
  /** What the network follows from, where the kernel of the machine carries it. */
  readonly cluster?: NetworkPlace['cluster'];
  /** What it can be made of. */
  readonly tables: Pick<PartTables, 'networks' | 'runtimes' | 'volumePlugins'>;
  /** Folder of the node's volumes and logs; `''` where all its pods are simulated. */
  readonly folder: string;
  /** Folder of the images that this machine's nodes share. Default: the node's. */
  readonly imagesFolder?: string;
  /** Whether containers go on when this node is closed, for the next kubelet of its folder. Default false. */
  readonly keepsContainers?: boolean;
  /** Port at which the kubelet's own API answers. */
  readonly kubeletPort: number;
  /** How long a renewal of its lease counts, in seconds. Default 40. */
  readonly leaseSeconds?: number;
  /** How many nodes share this machine: each offers its part. */
  readonly nodesOnMachine: number;
  /** Labels that it is registered with beside those that every node has. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Taints that it is registered with. */
  readonly taints?: readonly NodeTaint[];
  /** Amounts that it offers in place of its part of the machine, and of resources beside. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** What of the machine it has at paths of its own, for hostPath volumes. Default: nothing. */
  readonly mounts?: readonly NodeMount[];
  /** What the node says of itself in place of what this machine has. */
  readonly machine?: { readonly capacity: Readonly<Record<string, string>>; readonly facts: Partial<MachineFacts> };
  /** Addresses at which cluster DNS answers; absent where pods find names as the machine does. */
  readonly clusterDns?: readonly string[];
  /** File that says which programs stand for which images. Default: none do. */
  readonly imageAliases?: string;
  /** Where the container runtime of another process answers. Default: containerd's place. */
  readonly criEndpoint?: string;
  /** Which OCI runtimes make containers. Default: runc. */
  readonly ociRuntimes?: string;
  /** What its virtual machines may use together. Default: what they may have. */
  readonly machineMemory?: string;
  /** Most processes of one pod, threads among them. Default: no limit. */
  readonly podPidsMax?: number | undefined;
  /** How much time pods get when it shuts down, by their priorities. Default: they are left as they are. */
  readonly shutdown?: readonly ShutdownPeriod[];
  /** When it ends pods as it has too little left. Default: never, but for those beyond limits of their own. */
  readonly eviction?: EvictionSettings;
  /** When images are taken away. Default: never. */
  readonly imageCollection?: ImageCollectionSettings;
  /** By what other nodes know this one, for machines that move between them. Without it none do. */
  readonly link?: LinkIdentity;
  /** Domain of the cluster. Default: every cluster's. */
  readonly domain?: string;
  /** File that says how the machine finds names. */
  readonly resolvConf?: string;
  /** What the nodes of one process watch together, which whoever made it runs. Default: this node watches for itself. */
  readonly shared?: NodeWatches;
}

/** The watches of pods, nodes and what else kubelets look at, for all nodes of a process; each writes in its own name. */
export interface NodeWatches extends Component {
  readonly informers: Informers;
  readonly pods: KeyedSource<Pod>;
  readonly nodes: KeyedSource<Node>;
}

/** A node. It can be run again when it has stopped: then a new kubelet finds what the runtimes have, as after a restart of its process. */
export interface NodePart extends Component {
  readonly nodeName: string;
  /** The kubelet's own API. */
  readonly handle: ApiHandler;
  /** By their names. */
  readonly runtimes: Readonly<Record<string, Runtime>>;
  /** To be called once it does not run any more: closes runtimes and network. */
  close(): Promise<void>;
}

const nodeAddressDefault = '127.0.0.1';
const resolvConfDefault = '/etc/resolv.conf';
/** Pods that a node takes at most. Source: kubelet default `maxPods`. */
const podsMax = 110;
/** Port of kubelets that answer in the API server's own process. Source: kubelet default. */
export const defaultKubeletPort = 10_250;

const machineNames: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Up to so many nodes have a watch each of their pods and of themselves, and nobody is told of pods without a node or of other nodes. Beyond, one
 * watch of everything costs less than many that each look at everything.
 */
const ownWatchesMax = 8;

/** Watches for the nodes of these names, in the name of `context`, which may read what they watch. */
export async function nodeWatches(context: PartContext, names: readonly string[]): Promise<NodeWatches> {
  const { nodeSourceOf, podSourceOf, sharedNodeSource, sharedPodSource } = await import('#pkg/kubelet/pod-sources.ts');
  const deps = depsOf(context, 'kubelet');
  const { informers } = deps;
  const areFew = names.length <= ownWatchesMax;
  return {
    informers,
    pods: areFew ? podSourceOf(deps, names) : sharedPodSource(deps),
    nodes: areFew ? nodeSourceOf(deps, names) : sharedNodeSource(deps),
    run: (signal) => informers.run(signal),
  };
}

/** Throws for a runtime or network that there is not. */
export async function nodePart(context: PartContext, options: NodePartOptions): Promise<NodePart> {
  const { shared } = options;
  const own = depsOf(context, 'kubelet');
  const [{ createKubelet }, node] = await Promise.all([import('#pkg/kubelet/kubelet.ts'), openNode(own, options)]);
  const make = (): { readonly kubelet: Kubelet; readonly component: Component } => {
    // Informers run once.
    const deps = shared === undefined ? depsOf(context, 'kubelet') : { ...own, informers: shared.informers };
    const kubelet = createKubelet({
      ...node.options,
      deps,
      kubeletPort: options.kubeletPort,
      ...(shared === undefined ? {} : { podSource: shared.pods, nodeSource: shared.nodes }),
    });
    const component = shared === undefined ? withInformers(deps, kubelet) : kubelet;
    return { kubelet, component: withMachines(component, context, { ...options, machines: node.machines }) };
  };
  let now = make();
  let hasRun = false;
  return {
    nodeName: options.nodeName,
    handle: (request) => now.kubelet.handle(request),
    runtimes: node.options.runtimes,
    run: (signal) => {
      if (hasRun) now = make();
      hasRun = true;
      // By a signal of its own: listening to one takes as long as it has listeners, many where it is that of thousands of nodes.
      return options.shutdown?.length ? runToShutdown(now, signal) : runTogether([now.component], signal);
    },
    close: node.close,
  };
}

/** The kubelet with what moves machines to and from its node, pauses and saves them, where it has any. */
function withMachines(
  kubelet: Component,
  context: PartContext,
  {
    nodeName,
    nodeAddress = nodeAddressDefault,
    machines,
    link,
  }: NodePartOptions & { readonly machines: Machines | undefined },
): Component {
  if (machines === undefined) return kubelet;
  const run = async (signal: AbortSignal): Promise<void> => {
    const deps = depsOf(context, 'kubelet');
    const { createMachineKeeper } = await import('#pkg/kubelet/machines/machine-keeper.ts');
    const { createMachineMover } = await import('#pkg/kubelet/machines/machine-mover.ts');
    const parts = [
      createMachineKeeper({ deps, nodeName, machines }),
      createMachineMover({ deps, nodeName, nodeAddress, machines, identity: link }),
    ];
    const all: Component = { run: (inner) => runTogether(parts, inner) };
    await withInformers(deps, all).run(signal);
  };
  return { run: (signal) => runTogether([kubelet, { run }], signal) };
}

/** What a node offers whose pods use nothing of the machine: as much however many there are. */
const simulatedCapacity = { cpu: '4', memory: '8Gi', 'ephemeral-storage': '10Gi', pods: String(podsMax) };

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

type NodeOptions = Omit<KubeletOptions, 'deps' | 'kubeletPort' | 'nodeSource' | 'podSource'>;

/** The network that is asked for. Throws where there is no such one, and where runtimes are not what they may be. */
function networkOf({ nodeName, runtime, network, tables }: NodePartOptions): NetworkKind {
  const problem = runtimeProblem(runtime, tables.runtimes);
  if (problem !== undefined) throw new Error(`Cannot start the node ${nodeName} as ${problem}`);
  const kind = tables.networks[network];
  if (kind === undefined)
    throw new Error(`Cannot start the node ${nodeName} as there is no network ${JSON.stringify(network)}`);
  return kind;
}

/** All of a node that outlives its kubelet. */
async function openNode(
  deps: ComponentDeps,
  options: NodePartOptions,
): Promise<{ readonly options: NodeOptions; readonly machines: Machines | undefined; close(): Promise<void> }> {
  const { nodeName, folder, tables, podCidr, nodeAddress = nodeAddressDefault } = options;
  const networkKind = networkOf(options);
  const names = runtimesOf(options.runtime);
  const isSimulated = areSimulated(options.runtime, tables.runtimes);
  const { clock, random, log } = deps;
  const ownCapacity = capacityOf(options, isSimulated);
  const asked = await askedParts(options, ownCapacity);
  const place = {
    clock,
    random,
    log,
    folder,
    imageAliases: options.imageAliases ?? '',
    criEndpoint: options.criEndpoint ?? criEndpointDefault,
    ociRuntimes: options.ociRuntimes ?? ociRuntimesDefault,
    machineMemory: options.machineMemory ?? '',
    imagesFolder: options.imagesFolder ?? folder,
    ownNetwork: networkKind.sharesNode !== true,
    nodeNetwork: networkKind.kernel?.namespaceOf(nodeName),
    allocatable: asked.allocatable,
    podPidsMax: options.podPidsMax,
    keepsContainers: options.keepsContainers === true,
  };
  const [network, host, volumePlugins, ...runtimes] = await Promise.all([
    networkKind.open({ clock, nodeName, nodeAddress, isSimulated, cluster: options.cluster }),
    isSimulated ? simulatedHost() : realHost(deps, folder, options),
    tables.volumePlugins(),
    ...names.map((name) => tables.runtimes[name]!.open(place)),
  ]);
  return {
    options: {
      nodeName,
      podCidr,
      runtimes: Object.fromEntries(names.map((name, index) => [name, runtimes[index]!.runtime])),
      defaultRuntime: names[0]!,
      network: network.network,
      ...(network.hostPorts === undefined ? {} : { hostPorts: network.hostPorts }),
      ...host,
      volumePlugins,
      addresses: [
        { type: 'InternalIP', address: nodeAddress },
        { type: 'Hostname', address: nodeName },
      ],
      ...(options.leaseSeconds === undefined ? {} : { leaseSeconds: options.leaseSeconds }),
      capacity: ownCapacity,
      ...asked,
      ...(options.shutdown === undefined ? {} : { shutdown: options.shutdown }),
      nodeLabels: options.labels ?? {},
      taints: options.taints ?? [],
      version: kubernetesRelease,
      machine: options.machine?.facts ?? machineFacts(),
    },
    machines: runtimes.find(({ machines }) => machines !== undefined)?.machines,
    close: async () => {
      for (const runtime of runtimes) await runtime.close();
      if (host.plugins !== undefined && !place.keepsContainers) await (await import('./plugins.ts')).endMounts(folder);
      await network.close();
    },
  };
}

/** What a node says that it has: what was set, and else what the machine has, or what simulated ones do. */
function capacityOf(
  { machine, nodesOnMachine, capacity: set }: NodePartOptions,
  isSimulated: boolean,
): NodeOptions['capacity'] {
  return { ...(machine?.capacity ?? (isSimulated ? simulatedCapacity : capacity(nodesOnMachine))), ...set };
}

type NodeHost = Pick<NodeOptions, 'eviction' | 'imageCollection' | 'names' | 'plugins' | 'probes' | 'volumes'>;

const noEviction: EvictionSettings = { thresholds: [], transitionMs: 0, podGraceMsMax: 0 };

/** What a node needs of the machine whose pods run. */
async function realHost(deps: ComponentDeps, folder: string, options: NodePartOptions): Promise<NodeHost> {
  const [{ observeDisk, observeMachine }, { diskVolumeHost }, { socketProbeTransport }, { readResolvConf }] =
    await Promise.all([
      import('#pkg/kubelet/eviction/machine-observer.ts'),
      import('#pkg/kubelet/volumes/disk-volume-host.ts'),
      import('#pkg/kubelet/probes/socket-transport.ts'),
      import('#pkg/network/resolv-conf.ts'),
    ]);
  const isForContainers = runtimesOf(options.runtime).some((name) => options.tables.runtimes[name]?.mountsVolumes);
  const { imageCollection, imagesFolder = folder } = options;
  const ownMounts = [...(options.mounts ?? []), { containerPath: kubeletFolderName, hostPath: folder }];
  const host = {
    ...(imageCollection === undefined
      ? {}
      : { imageCollection: { ...imageCollection, observe: (own = imagesFolder) => observeDisk(own) } }),
    volumes: diskVolumeHost(join(folder, 'volumes'), { isForContainers, mounts: ownMounts }),
    // Only containers get anything of plugins.
    ...(isForContainers ? { plugins: await (await import('./plugins.ts')).pluginsIn(folder) } : {}),
    probes: socketProbeTransport(deps),
    eviction: { ...(options.eviction ?? noEviction), observe: () => observeMachine(folder) },
  };
  const { clusterDns, domain = clusterDomain, resolvConf = resolvConfDefault } = options;
  if (clusterDns === undefined) return host;
  return {
    ...host,
    names: {
      servers: clusterDns,
      ports: Object.fromEntries(clusterDns.map((address) => [address, loopbackDnsPort])),
      domain,
      machine: readResolvConf(textOf(resolvConf)),
      machineHosts: textOf('/etc/hosts'),
    },
  };
}

/** `''` for a file that is not there or may not be read. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function simulatedHost(): Promise<NodeHost> {
  const { memoryVolumeHost } = await import('#pkg/kubelet/volumes/volume-host.ts');
  return { volumes: memoryVolumeHost() };
}

/** Ids of the machine, of which some are for root's eyes. Source: cadvisor `machine.GetSystemUUID`. */
function machineFacts(): Partial<MachineFacts> {
  const machineId = firstLine('/etc/machine-id') ?? hostname();
  return {
    machineId,
    systemUuid: firstLine('/sys/class/dmi/id/product_uuid') ?? machineId,
    bootId: firstLine('/proc/sys/kernel/random/boot_id') ?? '',
    kernelVersion: release(),
    operatingSystem: platform(),
    architecture: machineNames[arch()] ?? arch(),
    osImage: 'Coxswain',
  };
}

/** Undefined for a file that is not there, is empty or may not be read. */
function firstLine(path: string): string | undefined {
  return textOf(path).split('\n')[0]?.trim() || undefined;
}
