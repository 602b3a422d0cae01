/** What a node is by its settings alone, as far as its kubelet says it: to the API, and to its pods. Pure. */
import type { ContainerImage, NodeAddress, Taint } from '#pkg/api/types/core-v1.ts';
import type { PressureKind } from '../eviction/thresholds.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { MachineFacts, NodeFacts } from './node-status.ts';
import { handlersOf } from './runtime-choice.ts';

/** What a node is told to be. */
export interface NodeSettings {
  readonly nodeName: string;
  /** By RuntimeClass handler. */
  readonly runtimes: Readonly<Record<string, Runtime>>;
  /** Handler of pods without a RuntimeClass. */
  readonly defaultRuntime: string;
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
}

const defaultMachine: MachineFacts = {
  machineId: '',
  systemUuid: '',
  bootId: '',
  kernelVersion: '',
  osImage: 'Coxswain',
  operatingSystem: 'linux',
  architecture: 'amd64',
};

/** The node's addresses for pods on its network, the first one first. */
export function hostIpsOf({ addresses }: NodeSettings): readonly string[] {
  const internal = addresses.filter(({ type }) => type === 'InternalIP');
  return internal.length === 0 ? ['127.0.0.1'] : internal.map(({ address }) => address);
}

/** What pods may use of the node. */
export function allocatableOf({ allocatable, capacity }: NodeSettings): Readonly<Record<string, string>> {
  return allocatable ?? capacity;
}

/** The machine that the node says it is: what its settings say, and defaults for the rest. */
export function machineOf({ machine }: NodeSettings): MachineFacts {
  return { ...defaultMachine, ...machine };
}

/** All of it, with the images that are there and whether pods have a network yet. */
export function factsOf(
  settings: NodeSettings,
  now: {
    readonly images: readonly ContainerImage[];
    readonly hasNetwork: boolean;
    readonly pressure: ReadonlySet<PressureKind>;
    /** Of plugins, beside what the settings say. Default: none. */
    readonly devices?: Pick<NodeFacts, 'allocatable' | 'capacity'> | undefined;
    readonly volumesInUse?: NodeFacts['volumesInUse'];
    /** Why it cannot run pods, beside what is looked at here. */
    readonly notReady?: string | undefined;
  },
): NodeFacts {
  const { runtimes, defaultRuntime } = settings;
  const { name, version } = runtimes[defaultRuntime]!.capabilities;
  return {
    name: settings.nodeName,
    labels: settings.nodeLabels ?? {},
    taints: settings.taints ?? [],
    addresses: settings.addresses,
    kubeletPort: settings.kubeletPort,
    capacity: { ...settings.capacity, ...now.devices?.capacity },
    allocatable: { ...allocatableOf(settings), ...now.devices?.allocatable },
    kubeletVersion: settings.version,
    runtimeVersion: `${name}://${version}`,
    runtimeHandlers: handlersOf(runtimes),
    machine: machineOf(settings),
    images: now.images,
    volumesInUse: now.volumesInUse,
    pressure: now.pressure,
    notReady: now.hasNetwork
      ? now.notReady
      : 'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: the node has no pod range yet',
  };
}
