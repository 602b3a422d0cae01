/**
 * The runtimes that a node can have, by the name that `--runtime` and the handler of a RuntimeClass give them. A new runtime is a folder in
 * `pkg/kubelet/runtime/` and an entry here. Only what a node uses is loaded.
 */
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ImageAliases } from '#pkg/kubelet/runtime/inprocess/image-aliases.ts';
import type { Runtime } from '#pkg/kubelet/runtime/runtime.ts';
import type { Machines } from '#pkg/kubelet/runtime/vm/machines.ts';
import { machineBytesOf } from './machine-memory.ts';

/** Where a runtime of one node runs. */
export interface RuntimePlace {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The node's folder; made by who writes into it. */
  readonly folder: string;
  /** File that says which programs stand for which images; `''` for none. */
  readonly imageAliases: string;
  /** Folder of the images that the nodes of this machine share. */
  readonly imagesFolder: string;
  /** Where the container runtime of another process answers, for the runtime `cri`. */
  readonly criEndpoint: string;
  /** What the machines of the runtime `vm` may use together, as a quantity; `''` for what they may have. */
  readonly machineMemory: string;
  /** Which OCI runtimes make containers, for the runtime `container`. */
  readonly ociRuntimes: string;
  /** Whether pods have networks of their own. */
  readonly ownNetwork: boolean;
  /** Path of the network namespace of the node, in which pods on its network are; absent for that of this machine. */
  readonly nodeNetwork?: string | undefined;
  /** What pods may use of the node, for runtimes that keep them to it. */
  readonly allocatable: Readonly<Record<string, string>>;
  /** Most processes of one pod, for runtimes that keep them to it; absent: no limit. */
  readonly podPidsMax?: number | undefined;
  /** Whether what can outlive this process does, for the node's next one. */
  readonly keepsContainers: boolean;
}

/** A runtime that was opened, and how to close it. */
export interface OpenRuntime {
  readonly runtime: Runtime;
  /** Its virtual machines, where they can move between nodes. */
  readonly machines?: Machines;
  /** Resolves when nothing of it runs any more. */
  close(): Promise<void>;
}

/** One sort of runtime, and how a node opens it. */
export interface RuntimeKind {
  /**
   * Whether its pods run nothing: then they need no address, port or file of the machine, any number of nodes fits on it, and none of them
   * takes a part of it.
   */
  readonly isSimulated: boolean;
  /** Its pods are on the network of the process that runs them, and can be on no other. */
  readonly sharesNetwork?: true;
  /** Its containers have volumes mounted, by root. */
  readonly mountsVolumes?: true;
  open(place: RuntimePlace): Promise<OpenRuntime>;
}

/** Runtimes by name. */
export type RuntimeTable = Readonly<Record<string, RuntimeKind>>;

/** The runtimes that there are. */
export const runtimeTable: RuntimeTable = {
  inprocess: {
    isSimulated: false,
    sharesNetwork: true,
    open: async ({ folder, imageAliases: list, ...place }) => {
      const [{ createInProcessRuntime }, imageAliases] = await Promise.all([
        import('#pkg/kubelet/runtime/inprocess/inprocess-runtime.ts'),
        list === '' ? undefined : readAliases(list),
      ]);
      const dataDir = join(folder, 'containers');
      const runtime = createInProcessRuntime({
        ...place,
        dataDir,
        ...(imageAliases === undefined ? {} : { imageAliases }),
      });
      return { runtime, close: () => runtime.close() };
    },
  },
  container: {
    isSimulated: false,
    mountsVolumes: true,
    open: async ({ keepsContainers, ...place }) => {
      const { openContainers } = await import('./containers.ts');
      const runtime = await openContainers(place);
      return { runtime, close: async () => (keepsContainers ? runtime.detach() : runtime.close()) };
    },
  },
  cri: {
    isSimulated: false,
    mountsVolumes: true,
    open: async ({ keepsContainers, ...place }) => {
      const { openCri } = await import('./cri.ts');
      const runtime = await openCri(place);
      return { runtime, close: async () => (keepsContainers ? runtime.detach() : runtime.close()) };
    },
  },
  vm: {
    isSimulated: false,
    open: async (place) => {
      const [{ createVmRuntime }, { discard }] = await Promise.all([
        import('#pkg/kubelet/runtime/vm/vm-runtime.ts'),
        // Needs what not every Node has.
        import('#pkg/kubelet/runtime/vm/discard.ts').catch(() => ({ discard: undefined })),
      ]);
      const machineBytesMax = machineBytesOf(place.machineMemory);
      const images = place.imagesFolder === '' ? {} : { images: () => machineImages(place) };
      const runtime = createVmRuntime({ ...place, ...images, machineBytesMax, discard, keepsSpare: true });
      return { runtime, machines: runtime.machines, close: () => runtime.close() };
    },
  },
  fake: {
    isSimulated: true,
    open: async (place) => {
      const { createFakeRuntime } = await import('#pkg/kubelet/runtime/fake/fake-runtime.ts');
      return { runtime: createFakeRuntime(place), close: async () => {} };
    },
  },
};

/** The images of the nodes' store that are for machines. Nobody unpacks them. */
async function machineImages({ imagesFolder: folder, clock, random }: RuntimePlace) {
  const [{ openClusterImages }, { machineArchitecture: architecture }] = await Promise.all([
    import('./images.ts'),
    import('#pkg/kubelet/runtime/vm/machine-images.ts'),
  ]);
  return openClusterImages({ folder, clock, random, architecture, isRoot: false });
}

async function readAliases(path: string): Promise<ImageAliases> {
  const { readImageAliases } = await import('#pkg/kubelet/runtime/inprocess/image-aliases.ts');
  return readImageAliases(path);
}

/** The runtimes of a setting or flag (`inprocess,fake`): the first is for pods without a RuntimeClass. */
export function runtimesOf(setting: string): readonly string[] {
  return setting.split(',');
}

/** Why a value of `--runtime` names no runtimes; undefined when it does. */
export function runtimeProblem(setting: string, table: RuntimeTable = runtimeTable): string | undefined {
  const names = runtimesOf(setting);
  const unknown = names.find((name) => !Object.hasOwn(table, name));
  if (unknown !== undefined)
    return `there is no runtime ${JSON.stringify(unknown)}: use ${Object.keys(table).join(', ')}, or several with commas between them`;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? undefined : `the runtime ${twice} is there twice`;
}

/** Whether the pods of all these runtimes run nothing. */
export function areSimulated(setting: string, table: RuntimeTable = runtimeTable): boolean {
  return runtimesOf(setting).every((name) => table[name]?.isSimulated === true);
}
