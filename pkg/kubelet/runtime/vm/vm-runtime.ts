/**
 * A runtime whose containers are virtual machines: each a simulated RISC-V machine in a thread of its own, so that one that spins costs its share and nothing else.
 * The image is a kernel with, as it likes, a disk and a command line; the pod's command and arguments are added to that line; the memory limit is the machine's
 * memory and the processor limit its share of instructions. Its console is its log, its ports are relayed at the pod's address. What cannot run is refused
 * before anything starts. Files of the node are not in a machine, so volumes are not either.
 */
import { createHash } from 'node:crypto';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { waitsForMachine } from '#pkg/api/virtual-machine-migration.ts';
import { beginsFromSnapshot } from '#pkg/api/virtual-machine-snapshot.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Discard } from '#pkg/vmm/frames/seat.ts';
import { guestAddress, hostAddress } from '#pkg/vmm/host/user-network.ts';
import type { ContainerConfig, SandboxConfig } from '../container-config.ts';
import { requireFeature } from '../plain-streams.ts';
import { PodContainers } from '../pod-containers.ts';
import {
  type ContainerInspection,
  type ContainerService,
  type ImageService,
  type LogLine,
  type LogOptions,
  type Runtime,
  type RuntimeCapabilities,
  type RuntimeContainer,
  RuntimeError,
  type RuntimeFeature,
  type Sandbox,
  type SandboxService,
} from '../runtime.ts';
import type { StreamingService } from '../streams.ts';
import { agentPort } from './agent-port.ts';
import { Balloons } from './balloons.ts';
import type { GuestStart } from './guest/protocol.ts';
import { GuestWorkers } from './guest-workers.ts';
import { type GuestImage, imageProblem } from './images.ts';
import { type MachineImageStore, MachineImages } from './machine-images.ts';
import { limitsOf } from './machine-limits.ts';
import { type MachineLink, MachineLinks } from './machine-links.ts';
import { MachineMemory } from './machine-memory.ts';
import { Machines } from './machines.ts';
import { monitorOf } from './monitored.ts';
import { SnapshotStore } from './snapshot-store.ts';
import { VmContainer, type VmContainerOptions } from './vm-container.ts';

/** What a machine gets whose container has no memory limit. */
const memoryBytesDefault = 64 * 1024 * 1024;
const memoryBytesMin = 1024 * 1024;
const memoryBytesMax = 2 ** 31;
const pageBytes = 4096;
/** Where a machine is whose host is alone on its wire: with that as the way out. */
const userRoute = { address: guestAddress, gateway: hostAddress, prefixBits: 24 };

const features: readonly RuntimeFeature[] = [
  'attach',
  'bandwidth',
  'cpuLimits',
  'exec',
  'hostNetwork',
  'memoryLimits',
  'portForward',
  'stdin',
];

/** What the runtime has of its node. */
export interface VmRuntimeDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** The node's folder, for snapshots of its machines; absent or `''`: it keeps none. */
  readonly folder?: string;
  /** What all machines together may have. Default: the machine's memory. */
  readonly memoryBytesMax?: number;
  /** What they may use together, whatever they may have: then they get pages as they write them, and are asked for some where there are few left. Default: what they may have is there for them. */
  readonly machineBytesMax?: number | undefined;
  /** Opens the store of OCI images. Default: there is none. */
  readonly images?: () => Promise<MachineImageStore>;
  /** Pods have networks of their own, in which a machine is what is at the pod's address. Default: its ports are relayed there. */
  readonly ownNetwork?: boolean;
  /** By what memory of machines that have ended goes to the system. Default: the node's next machines have it. */
  readonly discard?: Discard | undefined;
  /** A thread is kept ready for the next machine, which then boots at once. Default: none is. */
  readonly keepsSpare?: boolean;
}

/** The runtime, and its machines for who moves them between nodes. */
export interface MachineRuntime extends Runtime {
  readonly machines: Machines;
}

/** A runtime of virtual machines. Close it after the kubelet has stopped. */
export function createVmRuntime(deps: VmRuntimeDeps): MachineRuntime {
  return new VmRuntime(deps);
}

class VmRuntime implements MachineRuntime {
  readonly capabilities: RuntimeCapabilities;
  readonly sandboxes: SandboxService;
  readonly containers: ContainerService;
  readonly inspection: ContainerInspection;
  readonly streaming: StreamingService;
  readonly images: ImageService;
  readonly machines: Machines;
  readonly #deps: VmRuntimeDeps;
  readonly #nodeBytes: number;
  readonly #memory: MachineMemory;
  readonly #images: MachineImages;
  readonly #balloons: Balloons | undefined;
  readonly #workers: GuestWorkers;
  readonly #links: MachineLinks | undefined;
  readonly #pods: PodContainers<VmContainer>;
  readonly #listeners = new Set<(container: RuntimeContainer) => void>();
  readonly #snapshots: SnapshotStore | undefined;
  #macs = 0;

  constructor(deps: VmRuntimeDeps) {
    this.#deps = deps;
    this.#pods = new PodContainers(deps);
    const { clock, machineBytesMax: bytesMax } = deps;
    this.#nodeBytes = Math.min(deps.memoryBytesMax ?? totalmem(), bytesMax ?? Number.POSITIVE_INFINITY);
    this.#memory = new MachineMemory({
      nodeBytes: this.#nodeBytes,
      ...(bytesMax === undefined ? {} : { bytesMax }),
      discard: deps.discard,
    });
    if (bytesMax !== undefined)
      this.#balloons = new Balloons({ clock, use: () => this.#memory.use, machines: () => this.#running() });
    this.#workers = new GuestWorkers({ ...deps, memory: this.#memory });
    const links = deps.ownNetwork === true ? new MachineLinks() : undefined;
    this.#links = links;
    // On the node's network there is nobody who would be at the node's address.
    const ownFeatures = features.filter((feature) => links === undefined || feature !== 'hostNetwork');
    this.capabilities = { name: 'vm', version: '1.0.0', features: new Set(ownFeatures) };
    this.sandboxes = {
      run: (config) => this.#runSandbox(config),
      stop: (id) => this.#pods.stop(id),
      remove: async (id) => {
        await this.#pods.remove(id);
        await links?.remove(id);
      },
      list: async () => this.#pods.list().map((sandbox) => links?.shown(sandbox) ?? sandbox),
    };
    this.containers = {
      create: (sandboxId, config) => this.#create(sandboxId, config),
      start: async (id) => this.#pods.get(id).start(),
      stop: async (id, { graceMs }) => this.#pods.find(id)?.stop(graceMs),
      remove: (id) => this.#pods.removeContainer(id),
      update: async (id) => {
        this.#pods.get(id);
        requireFeature(this.capabilities, 'update', 'a change of limits');
      },
      status: async (id) => this.#pods.find(id)?.snapshot(),
      list: async () => this.#pods.snapshots(),
    };
    this.inspection = {
      exec: async (id, { command, signal }) => this.#pods.get(id).exec(command, signal),
      logs: (id, options) => this.#logs(id, options),
      stats: async (id) => this.#pods.get(id).stats(),
    };
    this.streaming = {
      exec: async (id, options) => {
        const container = this.#pods.get(id);
        if (options.stdin === true) requireFeature(this.capabilities, 'execStdin', 'input of commands');
        if (options.tty === true) requireFeature(this.capabilities, 'tty', 'a terminal');
        return container.open(options);
      },
      attach: async (id, options) => {
        const container = this.#pods.get(id);
        if (options.tty === true) requireFeature(this.capabilities, 'tty', 'a terminal');
        return container.attach(options);
      },
      portForward: (id, { port }) => this.#forward(id, port),
    };
    const { folder = '', images: open } = deps;
    this.#snapshots = folder === '' ? undefined : new SnapshotStore(join(folder, 'snapshots'));
    this.machines = new Machines(() => this.#pods.all(), this.#snapshots);
    this.#images = new MachineImages({ open, ...(folder === '' ? {} : { holder: folder }) });
    this.images = this.#images.service;
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#balloons?.stop();
    await this.#workers.close();
    await this.#pods.close();
    await this.#links?.close();
  }

  *#running(): Generator<VmContainer> {
    for (const { containers } of this.#pods.all())
      for (const container of containers.values()) if (container.state === 'running') yield container;
  }

  /** A thread for a machine of so much memory, and its seat, which is left when that has ended. */
  async #thread(memoryBytes: number) {
    const worker = await this.#workers.take();
    const seat = this.#memory.take(memoryBytes);
    worker.once('exit', () => this.#memory.leave(seat));
    return { worker, seat };
  }

  async #runSandbox(config: SandboxConfig): Promise<Sandbox> {
    // A guest is about to come: what its thread runs is read meanwhile.
    this.#workers.expect();
    const sandbox = this.#pods.run(config);
    if (this.#links === undefined) return sandbox;
    try {
      return await this.#links.make(sandbox);
    } catch (error) {
      await this.#pods.remove(sandbox.id);
      throw error;
    }
  }

  /** The link of a pod's machine, where it has one of its own: then it is the only one. */
  async #linkOf(sandboxId: string, { addresses }: ContainerConfig): Promise<MachineLink | undefined> {
    if (this.#links === undefined) return undefined;
    const others = this.#pods.ready(sandboxId)?.containers.values() ?? [];
    if ([...others].some(({ state }) => state !== 'exited'))
      throw new RuntimeError('failed', "a pod on a network of its own has one machine, which is at the pod's address");
    return this.#links.link(sandboxId, addresses);
  }

  async #create(sandboxId: string, config: ContainerConfig): Promise<string> {
    const image = await this.#images.find(config.image);
    if (image === undefined) throw new RuntimeError('imageNotFound', `image "${config.image}" not found`);
    const link = await this.#linkOf(sandboxId, config);
    const limits = limitsOf(this.#pods.ready(sandboxId)?.config.annotations ?? {});
    const kept = await this.#beginning(sandboxId, { ...this.#startOf(image, { config, link }), ...limits });
    const release = await this.#images.hold(image);
    try {
      return this.#add(sandboxId, { config, start: kept, link, release });
    } catch (error) {
      await release?.();
      throw error;
    }
  }

  #add(
    sandboxId: string,
    { start: kept, ...given }: Pick<VmContainerOptions, 'config' | 'link' | 'release' | 'start'>,
  ): string {
    return this.#pods.add(sandboxId, (id, sandbox) => {
      const waits = sandbox.config.annotations[waitsForMachine] !== undefined;
      const { folder = '' } = this.#deps;
      const pieces = folder === '' ? {} : { pieces: join(folder, 'pieces') };
      return new VmContainer({
        ...given,
        id,
        sandbox,
        start: { ...kept, ...pieces, ...(waits ? { waits: true as const } : {}) },
        clock: this.#deps.clock,
        thread: () => this.#thread(kept.memoryBytes),
        onExit: (exited) => {
          for (const listener of this.#listeners) listener(exited);
        },
        onMove: this.machines.eventsOf(sandbox.config),
      });
    });
  }

  /** The start of a machine that begins from a snapshot, where its pod says so. Rejects where that is not here, or of another machine. */
  async #beginning(sandboxId: string, start: GuestStart): Promise<GuestStart> {
    const { podNamespace: namespace = '', annotations } = this.#pods.ready(sandboxId)?.config ?? {};
    const uid = annotations?.[beginsFromSnapshot];
    if (uid === undefined) return start;
    const no = (why: string): RuntimeError =>
      new RuntimeError('failed', `the machine cannot begin from a snapshot: ${why}`);
    if (start.monitor !== undefined) throw no('it is to be under a monitor');
    if (this.#snapshots === undefined) throw no('this node keeps none');
    const { kernel, memoryBytes, mac, address, image, disk } = await this.#snapshots.read({ namespace, uid });
    if (createHash('sha256').update(start.kernel).digest('hex') !== kernel) throw no('it is of another kernel');
    if (memoryBytes !== start.memoryBytes)
      throw no(`it has ${memoryBytes} bytes of memory, and the machine ${start.memoryBytes}`);
    const { disk: _, ...rest } = start;
    return { ...rest, mac, ownAddress: address, image, ...(disk === undefined ? {} : { disk }) };
  }

  /** What the guest starts with. Throws for what no machine of this node can run. */
  #startOf(
    image: GuestImage,
    { config, link }: { readonly config: ContainerConfig; readonly link: MachineLink | undefined },
  ): GuestStart {
    const { kernel, firmware, initrd, disk, commandLine, ports } = image;
    const { memoryLimitBytes = memoryBytesDefault, cpuQuotaUs, cpuPeriodUs = 100_000 } = config.resources;
    const memoryBytes = Math.floor(memoryLimitBytes / pageBytes) * pageBytes;
    const nodeBytes = this.#nodeBytes;
    if (memoryBytes < memoryBytesMin)
      throw new RuntimeError(
        'failed',
        `a machine has at least ${memoryBytesMin} bytes of memory: the limit is ${memoryLimitBytes}`,
      );
    if (memoryLimitBytes > nodeBytes)
      throw new RuntimeError(
        'failed',
        `the machine is to have ${memoryLimitBytes} bytes of memory and the node has ${nodeBytes}`,
      );
    if (memoryBytes > memoryBytesMax)
      throw new RuntimeError(
        'failed',
        `a machine has at most ${memoryBytesMax} bytes of memory: the limit is ${memoryLimitBytes}`,
      );
    const problem = imageProblem(image, memoryBytes);
    if (problem !== undefined) throw new RuntimeError('failed', `image "${config.image}" cannot run: ${problem}`);
    const address = addressWord(link ?? userRoute, { isBootImage: firmware !== undefined });
    const monitor = monitorOf(image, { words: [...config.command, ...config.args], memoryBytes });
    const words = [address, commandLine, ...config.command, ...config.args].filter((word) => word !== '');
    const line = words.join(' ');
    // A port of the command line is the guest's too.
    const named = Number(/(?:^| )port=(\d+)/.exec(line)?.[1] ?? ports[0] ?? 0);
    const all = new Set([...(config.ports ?? []), ...(named === 0 ? ports : [named])]);
    return {
      kernel,
      ...(firmware === undefined ? {} : { firmware }),
      ...(initrd === undefined ? {} : { initrd }),
      memoryBytes,
      commandLine: line,
      ...(disk === undefined ? {} : { disk }),
      mac: link?.mac ?? this.#mac(),
      ...(link === undefined ? {} : { ownAddress: link.address }),
      address: config.addresses[0] ?? '127.0.0.1',
      // Who has an address of its own needs no relays.
      ports: link === undefined ? [...all] : [],
      ...(cpuQuotaUs === undefined || cpuQuotaUs <= 0 ? {} : { share: cpuQuotaUs / cpuPeriodUs }),
      ...(monitor === undefined ? {} : { monitor }),
    };
  }

  /** A hardware address of this node's own making (locally administered). */
  #mac(): Uint8Array {
    const number = this.#macs++;
    return Uint8Array.of(0x52, 0x54, 0, (number >> 16) & 255, (number >> 8) & 255, number & 255);
  }

  async #forward(sandboxId: string, port: number) {
    const sandbox = this.#pods.ready(sandboxId);
    if (sandbox === undefined) throw new RuntimeError('notFound', `sandbox "${sandboxId}" not found`);
    // Who may forward ports may not therefore run commands.
    if (port === agentPort) throw new RuntimeError('failed', 'connection refused');
    const running = [...sandbox.containers.values()].filter(({ state }) => state === 'running');
    let problem: unknown = new RuntimeError('failed', 'no machine of the pod runs');
    // The machines of a pod are each at the pod's address: the port is that of the first that has it.
    for (const container of running) {
      try {
        return await container.connect(port);
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  }

  async *#logs(id: string, options: LogOptions): AsyncGenerator<LogLine> {
    yield* this.#pods.get(id).logs.read(options);
  }
}

/** Where the machine is, as its kernel reads that from its command line; Linux has it of the one interface that there is. */
function addressWord(
  { address, gateway = '', prefixBits }: Pick<MachineLink, 'address' | 'gateway' | 'prefixBits'>,
  { isBootImage }: { readonly isBootImage: boolean },
): string {
  if (!isBootImage) return `ip=${address}/${prefixBits}`;
  const mask = prefixBits === 0 ? 0 : -1 << (32 - prefixBits);
  const maskText = [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.');
  return `ip=${address}::${gateway}:${maskText}:::off`;
}
