/**
 * A runtime of real Linux containers: an OCI runtime makes them of images from the node's store, one monitor per node keeps them while kubelets come and go
 * (`monitor/`), and what is known of them is on disk. Invariants: a folder is there before anything is that it stands for, and goes after it, so that whoever comes
 * after a crash finds all that is half made; what is on disk is there whole. Networks give pods their addresses. Upstream counterpart: containerd's CRI plugin.
 */
import { constants } from 'node:os';
import { readLog } from '../log-reader.ts';
import { requireFeature } from '../plain-streams.ts';
import { connectTo } from '../port-forward.ts';
import {
  type ContainerFreezer,
  type ContainerInspection,
  type ContainerService,
  type ExecResult,
  type ImageService,
  type LogLine,
  type LogOptions,
  type Runtime,
  type RuntimeContainer,
  RuntimeError,
  type SandboxService,
} from '../runtime.ts';
import type {
  AttachOptions,
  ExecStreamOptions,
  PortForwardOptions,
  ProcessStreams,
  StreamingService,
} from '../streams.ts';
import { userOf } from './bundle.ts';
import type { ContainerEntry } from './container-entry.ts';
import { containerFeatures } from './features.ts';
import { imageService } from './images.ts';
import { type ContainerRuntimeDeps, NodeContainers, pipeOwner } from './node-containers.ts';
import { openProcess } from './process-connection.ts';
import { ociProcess } from './spec/oci-spec.ts';
import type { OciProcess } from './spec/oci-types.ts';
import type { ContainerUser } from './spec/users.ts';
import { openTunnel } from './tunnel.ts';
import { cgroupUsage, folderUsage } from './usage.ts';

/** Output of a command that is kept; the rest is cut off. Source: kubelet probes read 10 KiB; hooks show less. */
const execBytesMax = 256 * 1024;

/** What a command is to have that its container has otherwise; empty for the container's own. */
export interface ProcessWish {
  /** `user[:group]`, in names or numbers. */
  readonly user: string;
  readonly workingDirectory: string;
  /** `NAME=value`, besides the container's. */
  readonly environment: readonly string[];
}

/** Opens it: finds what an earlier one has left, and takes away what was half made. Rejects with `RuntimeError` where the machine cannot. */
export async function openContainerRuntime(deps: ContainerRuntimeDeps): Promise<ContainerRuntime> {
  const node = await NodeContainers.open(deps);
  return new ContainerRuntime(deps, node);
}

/** The runtime. */
export class ContainerRuntime implements Runtime {
  readonly capabilities;
  readonly sandboxes: SandboxService;
  readonly containers: ContainerService & { readonly freezer: ContainerFreezer };
  readonly inspection: ContainerInspection;
  readonly streaming: StreamingService;
  readonly images: ImageService;
  readonly #node: NodeContainers;

  constructor(deps: ContainerRuntimeDeps, node: NodeContainers) {
    this.#node = node;
    const hasUsers = deps.hasUserNamespaces === true;
    const hasBlockIo = node.machine.cgroups.folders['blkio'] !== undefined;
    const features = containerFeatures({ ...node.machine.facts, hasBlockIo, hasUsers });
    const handlers = new Set(Object.keys(deps.ociRuntimes.byHandler));
    this.capabilities = { name: 'coxswain', version: '1.0.0', features, handlers };
    this.sandboxes = {
      run: (config) => node.sandboxes.run(config),
      stop: (id) => node.stopSandbox(id),
      remove: (id) => node.removeSandbox(id),
      list: async () => node.sandboxes.list(),
      update: (id, resources) => node.sandboxes.update(id, resources),
    };
    this.containers = {
      create: (sandboxId, config) => node.create(sandboxId, config),
      start: (id) => node.start(id),
      stop: (id, { graceMs }) => this.#stop(id, graceMs),
      remove: (id) => node.remove(id),
      update: (id, resources) => node.update(id, resources),
      status: async (id) => node.find(id)?.snapshot(),
      list: async () => node.all().map((entry) => entry.snapshot()),
      freezer: {
        freeze: async (id) => node.freeze(this.#running(id)),
        thaw: async (id) => node.thaw(this.#running(id)),
      },
    };
    this.inspection = {
      exec: (id, { command, signal }) => this.#run(id, { command, ...(signal === undefined ? {} : { signal }) }),
      logs: (id, options) => this.#logs(id, options),
      stats: (id) => this.#stats(id),
    };
    this.streaming = {
      exec: (id, options) => this.#exec(id, options),
      attach: (id, options) => this.#attach(id, options),
      portForward: (id, options) => this.#portForward(id, options),
    };
    this.images = imageService(deps.images);
  }

  /** Sends a container's program a signal, by name or number; nothing where it does not run. */
  async signal(id: string, signal: string): Promise<void> {
    await this.#node.monitor.call({ method: 'signal', id: this.#get(id).id, signal: signalNumber(signal) });
  }

  /** Its streams, also before it is started: then from its first byte on. */
  async attachEarly(id: string, { stdin = false, signal }: AttachOptions): Promise<ProcessStreams> {
    return openProcess(await this.#node.monitor.open(), {
      opening: { type: 'attach', id: this.#get(id).id, stdin, isEarly: true },
      signal,
      cancelled: 'attaching was cancelled',
    });
  }

  /** A command with a user, a folder or variables of its own. */
  async execAs(id: string, options: ExecStreamOptions & ProcessWish): Promise<ProcessStreams> {
    const entry = this.#running(id);
    const { environment, user, workingDirectory } = options;
    const own = ociProcess(this.#node.specOptions(entry), options.command);
    const { record } = entry;
    const { uid, gid, groups } = user === '' ? record.user : await userOf(record.config, user, record.rootPath);
    return this.#command(entry, options, {
      ...own,
      user: { uid, gid, additionalGids: groups },
      env: [...own.env, ...environment],
      ...(workingDirectory === '' ? {} : { cwd: workingDirectory }),
    });
  }

  /** The root of a container on the machine, without its volumes, its first process while it runs, and whom that runs as. */
  placeOf(id: string): { readonly rootPath: string; readonly pid: number | undefined; readonly user: ContainerUser } {
    const { record, pid } = this.#get(id);
    return { rootPath: record.rootPath, pid, user: record.user };
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    return this.#node.onExit(listener);
  }

  /** Lets go of the containers, which run on: the next runtime of the same folder finds them. */
  detach(): void {
    this.#node.detach();
  }

  async close(): Promise<void> {
    await this.#node.close();
  }

  async #stop(id: string, graceMs: number): Promise<void> {
    const entry = this.#node.find(id);
    await entry?.stop(signalNumber(entry.record.config.stopSignal ?? entry.record.image.stopSignal), graceMs);
  }

  async #run(id: string, options: Omit<ExecStreamOptions, 'stdin' | 'tty'>): Promise<ExecResult> {
    const streams = await this.#exec(id, options);
    const [stdout, stderr, exitCode] = await Promise.all([
      textOf(streams.stdout),
      textOf(streams.stderr),
      streams.exitCode,
    ]);
    return { exitCode, stdout, stderr };
  }

  async #exec(id: string, options: ExecStreamOptions): Promise<ProcessStreams> {
    const entry = this.#running(id);
    return this.#command(entry, options, ociProcess(this.#node.specOptions(entry), options.command));
  }

  async #command(
    entry: ContainerEntry,
    { command, stdin = false, tty = false, signal }: ExecStreamOptions,
    process: OciProcess,
  ): Promise<ProcessStreams> {
    const { id } = entry;
    return openProcess(await this.#node.monitor.open(), {
      opening: { type: 'exec', id, process: { ...process, terminal: tty }, stdin, tty, ...pipeOwner(entry) },
      signal,
      cancelled: `command "${command.join(' ')}" was cancelled`,
    });
  }

  async #attach(id: string, { stdin = false, signal }: AttachOptions): Promise<ProcessStreams> {
    const { config } = this.#running(id).record;
    return openProcess(await this.#node.monitor.open(), {
      opening: { type: 'attach', id, stdin: stdin && (config.stdin === true || config.tty === true) },
      signal,
      cancelled: 'attaching was cancelled',
    });
  }

  async #portForward(sandboxId: string, options: PortForwardOptions) {
    requireFeature(this.capabilities, 'portForward', 'port forwarding');
    const sandbox = this.#node.sandboxes.ready(sandboxId);
    const { networkNamespace } = sandbox;
    if (networkNamespace === undefined) return connectTo(options);
    const { port, signal } = options;
    return openTunnel(await this.#node.monitor.open(), { namespace: networkNamespace, port, signal });
  }

  async *#logs(id: string, options: LogOptions): AsyncGenerator<LogLine> {
    const entry = this.#get(id);
    const path = this.#node.places(entry).log;
    yield* readLog({ path, ended: entry.ended, hasEnded: () => entry.state === 'exited' }, options);
  }

  async #stats(id: string) {
    const entry = this.#running(id);
    const [usage, files] = await Promise.all([
      cgroupUsage(this.#node.machine.cgroups, this.#node.places(entry).cgroup),
      folderUsage(entry.record.changesPath),
    ]);
    return { ...usage, filesystemBytes: files.bytes, filesystemInodes: files.inodes };
  }

  #running(id: string): ContainerEntry {
    const entry = this.#get(id);
    entry.requireRunning();
    return entry;
  }

  #get(id: string): ContainerEntry {
    const entry = this.#node.find(id);
    if (entry === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    return entry;
  }
}

/** `SIGTERM`, `TERM` or `15` as a number; that of `SIGTERM` for what is none. */
function signalNumber(name: string | undefined): number {
  const signals: Readonly<Record<string, number>> = constants.signals;
  const plain = (name ?? 'SIGTERM').toUpperCase();
  const number = /^\d+$/.test(plain) ? Number(plain) : (signals[plain] ?? signals[`SIG${plain}`]);
  return number ?? constants.signals.SIGTERM;
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    if (bytes < execBytesMax) kept.push(chunk.subarray(0, execBytesMax - bytes));
    bytes += chunk.length;
  }
  return Buffer.concat(kept).toString('utf8');
}
