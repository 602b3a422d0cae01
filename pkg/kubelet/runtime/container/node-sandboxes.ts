/** The sandboxes of a node: their records, and what their containers share. */

import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ContainerResources, SandboxConfig } from '../container-config.ts';
import { RuntimeError, type Sandbox } from '../runtime.ts';
import { sandboxSummary } from '../summary.ts';
import { readWhole, writeWhole } from '../whole-files.ts';
import { writePauseBundle, writePauseRoot, writeSandboxFiles } from './bundle.ts';
import { cgroupFolders, type Machine } from './machine.ts';
import { dropMapped, reachRoot } from './mapped-files.ts';
import type { MonitoredContainer } from './monitor/protocol.ts';
import type { MonitorClient } from './monitor-client.ts';
import { type OciRuntimes, ociRuntimeOf } from './oci-runtimes.ts';
import { anyPod, type Places, sandboxPlaces, userIdsFolder } from './places.ts';
import { PodCgroups } from './pod-cgroups.ts';
import { hasMark, leaveMark, makeFolder, namesIn, removeFolder, type SandboxFile } from './records.ts';
import { UserIds } from './user-ids.ts';

/** What they are made with. */
export interface NodeSandboxesOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly places: Places;
  readonly machine: Machine;
  readonly monitor: MonitorClient;
  /** Whether pods have networks of their own. */
  readonly ownNetwork: boolean;
  /** Path of the network namespace of the node, in which pods on its network are; absent for that of this machine. */
  readonly nodeNetwork?: string | undefined;
  /** What all pods may use together, and their weight. */
  readonly nodeResources?: ContainerResources | undefined;
  /** Most processes of one pod; absent: no limit. */
  readonly podPidsMax?: number | undefined;
  readonly ociRuntimes: OciRuntimes;
}

interface SandboxEntry {
  file: SandboxFile;
  isReady: boolean;
  /** Of its first process, where its containers share theirs. */
  pausePid?: number | undefined;
}

/** The sandboxes. */
export class NodeSandboxes {
  readonly #options: NodeSandboxesOptions;
  readonly #byId = new Map<string, SandboxEntry>();
  readonly #cgroups: PodCgroups;
  readonly #users: UserIds;

  constructor(options: NodeSandboxesOptions) {
    const { machine, places, nodeResources = {}, podPidsMax } = options;
    this.#options = options;
    this.#cgroups = new PodCgroups({ mounts: machine.cgroups, root: places.cgroup, node: nodeResources, podPidsMax });
    this.#users = new UserIds({ folder: userIdsFolder, node: places.cgroup });
  }

  /** Takes up what is on disk; what has lost what its containers share, or was half made, is not ready or gone. */
  async load(running: ReadonlyMap<string, MonitoredContainer>): Promise<void> {
    const { places } = this.#options;
    const known = new Set<string>();
    for (const id of await namesIn(join(places.disk, 'sandboxes'))) {
      const at = sandboxPlaces(places, id, anyPod);
      const record = await readWhole<SandboxFile>(at.record);
      if (record === undefined) {
        await removeFolder(at.folder);
        continue;
      }
      const pause = running.get(id);
      const hasPause = record.config.namespaces.pid !== 'pod' || (pause !== undefined && pause.exit === undefined);
      const hasShared = (await namesIn(at.shared)).includes('uts');
      const isReady = hasPause && hasShared && !(await hasMark(at.stopped));
      this.#byId.set(id, { file: record, isReady, pausePid: pause?.pid });
      known.add(id.slice(0, 32));
    }
    for (const name of await namesIn(join(places.memory, 's')))
      if (!known.has(name)) await this.#drop(join(places.memory, 's', name));
    this.#users.keepOnly(new Set(this.#byId.keys()));
    for (const [id, { file }] of this.#byId) if (file.userBase !== undefined) this.#users.keep(id, file.userBase);
    this.#cgroups.keepOnly(new Set([...this.#byId.values()].map(({ file }) => file.config.podUid)));
    this.#weigh();
  }

  list(): readonly Sandbox[] {
    return [...this.#byId.values()].map((entry) => this.#summary(entry));
  }

  ids(): readonly string[] {
    return [...this.#byId.keys()];
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** One that takes containers. Throws `notFound` for others. */
  ready(id: string): Sandbox & { readonly file: SandboxFile; readonly pausePid: number | undefined } {
    const entry = this.#byId.get(id);
    if (entry?.isReady !== true) throw noSandbox(id);
    return { ...this.#summary(entry), file: entry.file, pausePid: entry.pausePid };
  }

  file(id: string): SandboxFile | undefined {
    return this.#byId.get(id)?.file;
  }

  pausePid(id: string): number | undefined {
    return this.#byId.get(id)?.pausePid;
  }

  async run(config: SandboxConfig): Promise<Sandbox> {
    const { clock, random, places, monitor, ociRuntimes } = this.#options;
    // Refused before anything is made.
    ociRuntimeOf(ociRuntimes, config.runtimeHandler);
    const id = newId(random);
    const at = sandboxPlaces(places, id, config);
    const ownNetwork = this.#options.ownNetwork && config.namespaces.network === 'pod';
    await makeFolder(at.folder);
    let file: SandboxFile = { id, config, createdAtMs: clock.nowMs(), ownNetwork };
    try {
      if (config.namespaces.user === 'pod') file = { ...file, userBase: this.#users.claim(id) };
      this.#cgroups.add(config);
      await Promise.all([
        writeSandboxFiles(places, file),
        monitor.call({
          method: 'makeSandbox',
          folder: at.shared,
          hostname: config.hostname,
          ownNetwork,
          ownIpc: config.namespaces.ipc === 'pod',
          ...(file.userBase === undefined ? {} : { userBase: file.userBase }),
        }),
      ]);
      const pausePid = config.namespaces.pid === 'pod' ? await this.#pause(file) : undefined;
      await writeWhole(at.record, file);
      const entry: SandboxEntry = { file, isReady: true, pausePid };
      this.#byId.set(id, entry);
      this.#weigh();
      return this.#summary(entry);
    } catch (error) {
      await this.#takeAway(file);
      throw error;
    }
  }

  /** It takes no more containers; those that it has were stopped. */
  async stop(id: string): Promise<void> {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    entry.isReady = false;
    this.#weigh();
    await leaveMark(sandboxPlaces(this.#options.places, id, anyPod).stopped);
  }

  /** Its first process has ended, or what its containers share is gone. */
  lost(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    entry.isReady = false;
    this.#weigh();
  }

  /** Gives its pod other limits. */
  async update(id: string, resources: ContainerResources): Promise<void> {
    const entry = this.#byId.get(id);
    if (entry?.isReady !== true) throw noSandbox(id);
    const config = { ...entry.file.config, resources };
    this.#cgroups.change(config);
    entry.file = { ...entry.file, config };
    this.#weigh();
    await writeWhole(sandboxPlaces(this.#options.places, id, config).record, entry.file);
  }

  /** Nothing of any pod is left: what they were in goes. */
  close(): void {
    this.#cgroups.close();
  }

  /** Takes it away; its containers were. */
  async remove(id: string): Promise<void> {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    await this.#takeAway(entry.file);
    this.#byId.delete(id);
    this.#weigh();
  }

  #weigh(): void {
    const ready = [...this.#byId.values()].filter(({ isReady }) => isReady);
    this.#cgroups.weigh(ready.map(({ file }) => file.config));
  }

  async #takeAway({ id, config, userBase }: SandboxFile): Promise<void> {
    const { monitor, places } = this.#options;
    const at = sandboxPlaces(places, id, config);
    await monitor.call({ method: 'remove', id });
    await dropMapped(at.reach);
    await this.#drop(at.shared);
    if (userBase !== undefined) this.#users.release(id, userBase);
    await removeFolder(at.folder);
    const isLast = ![...this.#byId.values()].some(({ file }) => file.id !== id && file.config.podUid === config.podUid);
    if (isLast) this.#cgroups.remove(config);
  }

  async #drop(folder: string): Promise<void> {
    await this.#options.monitor.call({ method: 'removeSandbox', folder });
  }

  async #pause(file: SandboxFile): Promise<number> {
    const { machine, monitor, ociRuntimes, places } = this.#options;
    const at = sandboxPlaces(places, file.id, file.config);
    const { architecture } = machine.facts;
    await writePauseRoot(at.pauseRoot, { architecture, owner: file.userBase ?? 0 });
    const { userBase: baseId } = file;
    const root = baseId === undefined ? at.pauseRoot : await reachRoot(at.pauseRoot, { reach: at.reach, baseId });
    await writePauseBundle(places, file, root);
    const started = await monitor.run({
      id: file.id,
      ociRuntime: ociRuntimeOf(ociRuntimes, file.config.runtimeHandler),
      bundle: at.folder,
      exitPath: at.exit,
      tty: false,
      stdin: false,
      stdinOnce: false,
      cgroups: cgroupFolders(machine.cgroups, `${at.cgroup}/${file.id}`),
    });
    return started.pid;
  }

  #summary({ file, isReady }: SandboxEntry): Sandbox {
    const { id, config, ownNetwork } = file;
    const { network } = sandboxPlaces(this.#options.places, id, config);
    const networkNamespace = ownNetwork ? network : this.#options.nodeNetwork;
    return {
      ...sandboxSummary({ ...file, ready: isReady }),
      ...(networkNamespace === undefined ? {} : { networkNamespace }),
    };
  }
}

function noSandbox(id: string): RuntimeError {
  return new RuntimeError('notFound', `failed to find sandbox id "${id}": not found`);
}

/** 64 hexadecimal digits. */
export function newId(random: Random): string {
  return (random.uuid() + random.uuid()).replaceAll('-', '');
}
