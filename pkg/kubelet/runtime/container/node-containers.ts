/** The containers of a node, from what is on disk and what the monitor knows: made, started, changed and taken away. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ImageStore, RootOwner } from '#pkg/images/image-store.ts';
import type { ContainerConfig, ContainerResources } from '../container-config.ts';
import { makeMountSources } from '../mount-sources.ts';
import { type RuntimeContainer, RuntimeError } from '../runtime.ts';
import { makeMessageFile } from '../termination-message.ts';
import { readWhole, writeWhole } from '../whole-files.ts';
import { type NamedPlaces, namedParts, specOptions, userOf, wishedDevices } from './bundle.ts';
import { withCdiDevices } from './cdi/cdi-files.ts';
import { ContainerEntry } from './container-entry.ts';
import { freeze, thaw } from './freezer.ts';
import { prepareImageVolumes, releaseImageVolumes } from './image-volumes.ts';
import { fromStore } from './images.ts';
import { cgroupFolders, type Machine, readMachine } from './machine.ts';
import { dropAllMapped, dropMapped, type MappedPlace, mappedVolumes, reachRoot } from './mapped-files.ts';
import type { ExitRecord, MonitoredContainer } from './monitor/protocol.ts';
import { MonitorClient } from './monitor-client.ts';
import { NodeSandboxes, newId } from './node-sandboxes.ts';
import { type OciRuntimes, ociRuntimeOf } from './oci-runtimes.ts';
import { anyPod, containerPlaces, type Places, placesOf, reachFolder, sandboxPlaces } from './places.ts';
import {
  type ContainerFile,
  hasMark,
  leaveMark,
  makeFolder,
  namesIn,
  removeFolder,
  type SandboxFile,
} from './records.ts';
import { ociSpec, type SpecOptions } from './spec/oci-spec.ts';
import { ociResources } from './spec/resources.ts';
import { cgroupUsage } from './usage.ts';

/** What the runtime is made of. */
export interface ContainerRuntimeDeps extends NamedPlaces {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Folder for what outlives a start of the machine; one runtime for each. */
  readonly dataDir: string;
  readonly images: ImageStore;
  readonly ociRuntimes: OciRuntimes;
  /** Node's name of the processor. */
  readonly architecture: string;
  /** Whether pods have networks of their own, which something else connects. */
  readonly ownNetwork: boolean;
  /** Path of the network namespace of the node, in which pods on its network are; absent for that of this machine. */
  readonly nodeNetwork?: string | undefined;
  /** Whether pods can have users of their own: the store can make roots by other ids, and the kernel shows volumes so. Default false. */
  readonly hasUserNamespaces?: boolean;
  /** What the pods of the node may use together, and their weight. Default: all of the machine. */
  readonly nodeResources?: ContainerResources;
  /** Most processes of one pod, threads among them. Default: no limit. */
  readonly podPidsMax?: number | undefined;
}

/** Nobody saw it end: the machine was started again. */
const unseen = { exitCode: 255, isOutOfMemory: false, isUnseen: true } as const;

/** The containers of a node. */
export class NodeContainers {
  readonly machine: Machine;
  readonly monitor: MonitorClient;
  readonly sandboxes: NodeSandboxes;
  readonly #deps: ContainerRuntimeDeps;
  readonly #places: Places;
  readonly #byId = new Map<string, ContainerEntry>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(container: RuntimeContainer) => void>();

  private constructor(deps: ContainerRuntimeDeps, machine: Machine) {
    this.#deps = deps;
    this.machine = machine;
    const places = placesOf(deps.dataDir);
    this.#places = places;
    this.monitor = new MonitorClient({
      clock: deps.clock,
      log: deps.log,
      folder: places.memory,
      onExit: (id, exit) => void this.#exited(id, exit),
      onReconnect: (containers) => this.#found(containers),
    });
    const { clock, random, ownNetwork, nodeNetwork, nodeResources, podPidsMax } = deps;
    this.sandboxes = new NodeSandboxes({
      clock,
      random,
      places,
      machine,
      monitor: this.monitor,
      ownNetwork,
      nodeNetwork,
      nodeResources,
      podPidsMax,
      ociRuntimes: deps.ociRuntimes,
    });
  }

  /** Finds what there is. */
  static async open(deps: ContainerRuntimeDeps): Promise<NodeContainers> {
    const machine = await readMachine(deps.architecture);
    if (machine === undefined) throw new RuntimeError('failed', 'this machine has no cgroups, which limit containers');
    const node = new NodeContainers(deps, machine);
    // Whoever froze all of them, and is gone.
    await thaw(machine.cgroups, node.#places.cgroup);
    await node.#load();
    return node;
  }

  find(id: string): ContainerEntry | undefined {
    return this.#byId.get(id);
  }

  all(): readonly ContainerEntry[] {
    return [...this.#byId.values()];
  }

  places({ record, sandbox }: Pick<ContainerEntry, 'record' | 'sandbox'>) {
    return containerPlaces(this.#places, record.id, sandbox.config);
  }

  /** The bundle of a container. */
  specOptions({ record, sandbox }: Pick<ContainerEntry, 'record' | 'sandbox'>): SpecOptions {
    const pausePid = this.sandboxes.pausePid(sandbox.id);
    const { targetContainerId } = record.config;
    const targetPid = targetContainerId === undefined ? undefined : this.#byId.get(targetContainerId)?.pid;
    return specOptions(
      { places: this.#places, machine: this.machine, nodeNetwork: this.#deps.nodeNetwork },
      { record, sandbox, pausePid, targetPid },
    );
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async create(sandboxId: string, wanted: ContainerConfig): Promise<string> {
    const { clock, images, random } = this.#deps;
    const { file: sandbox } = this.sandboxes.ready(sandboxId);
    const { targetContainerId } = wanted;
    if (targetContainerId !== undefined && this.#byId.get(targetContainerId)?.pid === undefined)
      throw new RuntimeError('failed', `the target container "${targetContainerId}" is not running`);
    const image = await fromStore(images.find(wanted.imageRef || wanted.image));
    if (image === undefined) throw new RuntimeError('imageNotFound', `image "${wanted.image}" not found`);
    const id = newId(random);
    const at = containerPlaces(this.#places, id, sandbox.config);
    await makeFolder(at.folder);
    try {
      const owner = this.#ownerOf(sandbox);
      const root = await fromStore(images.prepare(id, image.id, owner));
      const volumes = { images, containerId: id, file: at.imageVolumes, owner };
      const { config: equipped, hooks } = await withCdiDevices(wanted);
      const prepared = { ...equipped, mounts: await prepareImageVolumes(equipped.mounts, volumes) };
      await makeMountSources(prepared);
      const config = owner === undefined ? prepared : await mapped(prepared, { ...owner, reach: at.reach });
      const record: ContainerFile = {
        id,
        sandboxId,
        config,
        createdAtMs: clock.nowMs(),
        image: image.config,
        user: await userOf(config, config.security.imageUser ?? image.config.user, root.path),
        rootPath: owner === undefined ? root.path : await reachRoot(root.path, { ...owner, reach: at.reach }),
        changesPath: root.changesPath,
        devices: await wishedDevices(config),
        ...(await namedParts(config, this.#deps)),
        ...(Object.keys(hooks).length === 0 ? {} : { hooks }),
      };
      await Promise.all([
        makeMessageFile(at.terminationLog),
        writeFile(at.config, JSON.stringify(ociSpec(this.specOptions({ record, sandbox })))),
      ]);
      await writeWhole(at.record, record);
      // Whether it was stopped meanwhile.
      this.sandboxes.ready(sandboxId);
      this.#byId.set(id, this.#entry(record, sandbox));
      return id;
    } catch (error) {
      await this.#takeAway(id, at.folder);
      throw error;
    }
  }

  start(id: string): Promise<void> {
    const entry = this.#byId.get(id);
    if (entry === undefined) return Promise.reject(new RuntimeError('notFound', `container "${id}" not found`));
    if (entry.state !== 'created' || this.#starting.has(id))
      return Promise.reject(new RuntimeError('failed', `container "${id}" is not in state created`));
    const starting = this.#run(entry).finally(() => this.#starting.delete(id));
    this.#starting.set(id, starting);
    return starting;
  }

  /** Ends and removes it. */
  async remove(id: string): Promise<void> {
    await this.#starting.get(id)?.catch(() => {});
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    await entry.stop(0, 0);
    this.#byId.delete(id);
    await this.#takeAway(id, this.places(entry).folder);
  }

  async update(id: string, resources: ContainerResources): Promise<void> {
    const entry = this.#byId.get(id);
    if (entry === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    if (entry.state === 'exited') throw new RuntimeError('failed', `container "${id}" has exited`);
    const record = {
      ...entry.record,
      resources: { ...(entry.record.resources ?? entry.record.config.resources), ...resources },
    };
    const at = this.places(entry);
    if (entry.state === 'running') {
      await this.#requireRoom(at.cgroup, resources);
      await this.monitor.call({ method: 'update', id, resources: ociResources(resources) });
    }
    entry.record = record;
    await writeFile(at.config, JSON.stringify(ociSpec(this.specOptions(entry))));
    await writeWhole(at.record, record);
  }

  async freeze(entry: ContainerEntry): Promise<void> {
    try {
      await freeze(this.machine.cgroups, this.places(entry).cgroup, this.#deps.clock);
    } catch (error) {
      throw new RuntimeError('failed', `container "${entry.id}" is not frozen: ${errorText(error)}`, error);
    }
  }

  async thaw(entry: ContainerEntry): Promise<void> {
    await thaw(this.machine.cgroups, this.places(entry).cgroup);
  }

  /** Ends all containers of a sandbox, which takes no more. */
  async stopSandbox(id: string): Promise<void> {
    await this.sandboxes.stop(id);
    const own = this.all().filter(({ sandbox }) => sandbox.id === id);
    await Promise.all(own.map((entry) => this.#starting.get(entry.id)?.catch(() => {})));
    await Promise.all(own.map((entry) => entry.stop(0, 0)));
  }

  async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    const own = this.all().filter(({ sandbox }) => sandbox.id === id);
    await Promise.all(own.map((entry) => this.remove(entry.id)));
    await this.sandboxes.remove(id);
  }

  /** Lets go of all of them. */
  detach(): void {
    this.#listeners.clear();
    this.monitor.close();
  }

  /** Ends and takes away everything, the monitor too. */
  async close(): Promise<void> {
    this.#listeners.clear();
    await Promise.all(this.sandboxes.ids().map((id) => this.removeSandbox(id)));
    this.sandboxes.close();
    await this.monitor.call({ method: 'end' });
    this.monitor.close();
    await dropAllMapped(reachFolder(this.#places.memory), new Set());
    await removeFolder(this.#places.memory);
  }

  async #load(): Promise<void> {
    const running = new Map((await this.monitor.connect()).map((container) => [container.id, container]));
    await this.sandboxes.load(running);
    for (const id of await namesIn(join(this.#places.disk, 'containers'))) await this.#take(id, running.get(id));
    const known = [...this.#byId.keys(), ...this.sandboxes.ids()].map((id) => id.slice(0, 32));
    await dropAllMapped(reachFolder(this.#places.memory), new Set(known));
    for (const id of running.keys())
      if (!this.#byId.has(id) && !this.sandboxes.has(id)) await this.monitor.call({ method: 'remove', id });
  }

  /** Takes up a container of an earlier kubelet; one that was half made goes. */
  async #take(id: string, running: MonitoredContainer | undefined): Promise<void> {
    const found = containerPlaces(this.#places, id, anyPod);
    const record = await readWhole<ContainerFile>(found.record);
    const sandbox = record === undefined ? undefined : this.sandboxes.file(record.sandboxId);
    const wasStarted = await hasMark(found.started);
    if (record === undefined || sandbox === undefined || !wasStarted) {
      await this.#takeAway(id, found.folder);
      return;
    }
    const entry = this.#entry(record, sandbox);
    this.#byId.set(id, entry);
    if (running !== undefined) entry.began(running);
    const exit = running?.exit ?? (await readWhole<ExitRecord>(found.exit));
    if (exit !== undefined) await entry.exited(exit);
    else if (running === undefined) await entry.exited({ ...unseen, atMs: this.#deps.clock.nowMs() });
  }

  #entry(record: ContainerFile, sandbox: ContainerEntry['sandbox']): ContainerEntry {
    return new ContainerEntry({
      record,
      sandbox,
      clock: this.#deps.clock,
      terminationLog: containerPlaces(this.#places, record.id, sandbox.config).terminationLog,
      signal: async (signal) => {
        await thaw(this.machine.cgroups, containerPlaces(this.#places, record.id, sandbox.config).cgroup);
        await this.monitor.call({ method: 'signal', id: record.id, signal });
      },
    });
  }

  async #run(entry: ContainerEntry): Promise<void> {
    const { config } = entry.record;
    const at = this.places(entry);
    await leaveMark(at.started);
    try {
      const started = await this.monitor.run({
        id: entry.id,
        ociRuntime: ociRuntimeOf(this.#deps.ociRuntimes, entry.sandbox.config.runtimeHandler),
        bundle: at.folder,
        logPath: at.log,
        exitPath: at.exit,
        tty: config.tty === true,
        stdin: config.stdin === true,
        stdinOnce: config.stdinOnce === true,
        cgroups: cgroupFolders(this.machine.cgroups, at.cgroup),
        ...pipeOwner(entry),
      });
      entry.began(started);
    } catch (error) {
      entry.failed(errorText(error));
      throw error;
    }
  }

  /** By whose ids the files of a sandbox are, where its users are its own. */
  #ownerOf({ id, config, userBase }: SandboxFile): RootOwner | undefined {
    if (userBase === undefined) return undefined;
    return { namespacePath: sandboxPlaces(this.#places, id, config).user, baseId: userBase };
  }

  async #exited(id: string, exit: ExitRecord): Promise<void> {
    // An exit that comes before the answer to its start.
    await this.#starting.get(id)?.catch(() => {});
    if (this.sandboxes.has(id)) this.sandboxes.lost(id);
    const entry = this.#byId.get(id);
    if (entry === undefined || !(await entry.exited(exit))) return;
    const snapshot = entry.snapshot();
    for (const listener of this.#listeners) listener(snapshot);
  }

  /** What another monitor has, after one was lost: what it does not know has ended. */
  #found(containers: readonly MonitoredContainer[]): void {
    const known = new Map(containers.map((container) => [container.id, container]));
    const atMs = this.#deps.clock.nowMs();
    for (const entry of this.all()) {
      const found = known.get(entry.id);
      if (entry.state === 'running' && (found === undefined || found.exit !== undefined))
        void this.#exited(entry.id, found?.exit ?? { ...unseen, atMs });
    }
    for (const id of this.sandboxes.ids()) {
      const found = known.get(id);
      if (this.sandboxes.pausePid(id) !== undefined && (found === undefined || found.exit !== undefined))
        this.sandboxes.lost(id);
    }
  }

  /** A limit below what is in use would end the container: the kernel's version 2 takes it. */
  async #requireRoom(cgroup: string, { memoryLimitBytes }: ContainerResources): Promise<void> {
    if (memoryLimitBytes === undefined) return;
    const { memoryBytes } = await cgroupUsage(this.machine.cgroups, cgroup);
    if (memoryBytes > memoryLimitBytes)
      throw new RuntimeError('failed', `the memory limit ${memoryLimitBytes} is below what is in use: ${memoryBytes}`);
  }

  async #takeAway(id: string, folder: string): Promise<void> {
    await this.monitor.call({ method: 'remove', id });
    await dropMapped(containerPlaces(this.#places, id, anyPod).reach);
    const { images } = this.#deps;
    await releaseImageVolumes({ images, containerId: id, file: join(folder, 'image-volumes.json') });
    await fromStore(images.release(id));
    await removeFolder(folder);
  }
}

/** The container with its volumes by its pod's ids. */
async function mapped(config: ContainerConfig, place: MappedPlace): Promise<ContainerConfig> {
  return { ...config, mounts: await mappedVolumes(config.mounts, place) };
}

/** Whose the pipes of a container's processes are, where its users are its own. */
export function pipeOwner({ record, sandbox }: Pick<ContainerEntry, 'record' | 'sandbox'>): {
  readonly owner?: number;
} {
  return sandbox.userBase === undefined ? {} : { owner: sandbox.userBase + record.user.uid };
}
