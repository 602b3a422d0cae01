/**
 * The kubelet over a container runtime of another process: the Container Runtime Interface, version 1, at a Unix socket (containerd, CRI-O). Invariants: nothing that
 * this node has not made is listed, changed or ended, as a label tells; nothing is remembered that the runtime knows, so that a kubelet which is started again sees what
 * the last one saw. Images, layers and networks of pods are the runtime's own. Upstream counterpart: kubelet `kuberuntime`, `k8s.io/cri-client`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import { readLog } from '../log-reader.ts';
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
  type SandboxService,
} from '../runtime.ts';
import type { StreamingService } from '../streams.ts';
import { execResultOf, type ListedContainer, runtimeStatusOf, versionOf } from './answers.ts';
import { CriClient, nothing } from './cri-client.ts';
import { CriContainers } from './cri-containers.ts';
import { criImages } from './cri-images.ts';
import { CriSandboxes } from './cri-sandboxes.ts';
import { CriStreams } from './cri-streams.ts';
import { ExitWatch } from './exit-watch.ts';
import { criFeatures } from './features.ts';
import { LogRotation, type RotatedLog } from './log-rotation.ts';
import { markedContainer } from './marks.ts';
import { execSyncRequest, idRequest, statusRequest, versionRequest } from './requests.ts';

/** Output of a command that is kept; the rest is cut off. Source: kubelet probes read 10 KiB; hooks show less. */
const execBytesMax = 256 * 1024;
/** Longest time of a command for a probe or a hook, each of which has a shorter one of its own. */
const execTimeoutMs = 24 * 60 * 60_000;

/** What it is made with. */
export interface CriRuntimeDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Path of the runtime's socket. */
  readonly socketPath: string;
  /** Folder for logs and last messages of the node's containers. By its path the node's are known among others of the runtime. */
  readonly dataDir: string;
  /** Whether pods have network namespaces of their own; else they are on the machine's network. */
  readonly ownNetwork: boolean;
  /** Path of the network namespace of the node; absent for that of the machine, which is the runtime's. */
  readonly nodeNetwork?: string | undefined;
  /** Where seccomp profiles are that pods name. */
  readonly seccompFolder: string;
}

/** How long a runtime that was just started may take: containerd answers before it has looked at what there is. */
const readyTimeoutMs = 20_000;
const readyPeriodMs = 250;

/** Connects. Rejects with `RuntimeError` where no runtime answers, or one that does not get ready. */
export async function openCriRuntime(deps: CriRuntimeDeps): Promise<CriRuntime> {
  const { clock } = deps;
  const lateMs = clock.monotonicMs() + readyTimeoutMs;
  for (;;) {
    try {
      return await tryOpen(deps);
    } catch (error) {
      if (clock.monotonicMs() >= lateMs) throw error;
      await sleep(clock, readyPeriodMs);
    }
  }
}

async function tryOpen(deps: CriRuntimeDeps): Promise<CriRuntime> {
  const client = new CriClient(deps);
  try {
    const { name, version } = await client.runtime('Version', { message: versionRequest, read: versionOf });
    const { unmet, handlers } = await client.runtime('Status', { message: statusRequest, read: runtimeStatusOf });
    const problem = unmet.find(({ type }) => type === 'RuntimeReady' || (type === 'NetworkReady' && deps.ownNetwork));
    if (problem !== undefined)
      throw new RuntimeError('failed', `${name} at ${deps.socketPath} is not ready: ${problem.message}`);
    const runtime = new CriRuntime(deps, client, { name, version, handlers: new Set(handlers) });
    await runtime.recover();
    return runtime;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** The runtime. */
export class CriRuntime implements Runtime {
  readonly capabilities: RuntimeCapabilities;
  readonly sandboxes: SandboxService;
  readonly containers: ContainerService;
  readonly inspection: ContainerInspection;
  readonly streaming: StreamingService;
  readonly images: ImageService;
  readonly #client: CriClient;
  readonly #all: CriContainers;
  readonly #sandboxes: CriSandboxes;
  readonly #exits: ExitWatch;

  constructor(deps: CriRuntimeDeps, client: CriClient, runtime: Omit<RuntimeCapabilities, 'features'>) {
    const { clock, random, dataDir: node, ownNetwork, nodeNetwork, seccompFolder } = deps;
    const hasAppArmor = existsSync('/sys/kernel/security/apparmor');
    this.capabilities = {
      ...runtime,
      features: criFeatures({ hasAppArmor, isOnNodeNetwork: nodeNetwork === undefined }),
    };
    this.#client = client;
    this.images = criImages(client);
    this.#sandboxes = new CriSandboxes({ client, node, logs: join(node, 'logs'), ownNetwork });
    const reopen = (id: string): Promise<void> =>
      client.runtime('ReopenContainerLog', { message: idRequest(id), read: nothing });
    const rotation = new LogRotation({ clock, reopen });
    this.#exits = new ExitWatch({
      clock,
      list: () => this.#all.listed(),
      look: (id) => this.#all.status(id),
      tend: (running) => rotation.tend(running.flatMap(logOf)),
    });
    this.#all = new CriContainers({
      ...{ client, random, node, seccompFolder },
      sandboxes: this.#sandboxes,
      images: this.images,
      began: (id) => this.#exits.began(id),
      ended: (container) => this.#exits.ended(container),
    });
    this.containers = this.#all;
    this.sandboxes = {
      run: (config) => this.#sandboxes.run(config),
      list: () => this.#sandboxes.list(),
      stop: (id) => this.#stopSandbox(id),
      remove: (id) => this.#removeSandbox(id),
    };
    const sandboxes = this.#sandboxes;
    this.streaming = new CriStreams({ client, clock, containers: this.#all, sandboxes, exits: this.#exits });
    this.inspection = {
      exec: async (id, { command, signal }) => {
        await this.#all.running(id);
        return client.runtime('ExecSync', {
          message: execSyncRequest(id, command),
          read: (bytes) => execResultOf(bytes, execBytesMax),
          timeoutMs: execTimeoutMs,
          signal,
        });
      },
      logs: (id, options) => this.#logs(id, options),
      stats: (id) => this.#all.stats(id),
    };
  }

  /** Watches what an earlier kubelet has left running. */
  async recover(): Promise<void> {
    for (const { id, state } of await this.#all.listed()) if (state === 'running') this.#exits.began(id);
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    return this.#exits.onExit(listener);
  }

  /** Lets go of the containers, which run on: the next runtime of the same folder finds them. */
  detach(): void {
    this.#exits.close();
    this.#client.close();
  }

  async close(): Promise<void> {
    for (const { id } of await this.#sandboxes.list()) await this.#removeSandbox(id);
    this.detach();
  }

  async #stopSandbox(id: string): Promise<void> {
    await this.#sandboxes.stop(id);
    // Those that the runtime has ended are heard of at once.
    await Promise.all((await this.#of(id)).map((one) => this.#all.stop(one, { graceMs: 0 })));
  }

  async #removeSandbox(id: string): Promise<void> {
    await this.#stopSandbox(id);
    await Promise.all((await this.#of(id)).map((one) => this.#all.remove(one)));
    await this.#sandboxes.remove(id);
  }

  async #of(sandboxId: string): Promise<readonly string[]> {
    const listed = await this.#all.listed();
    return listed.filter((one) => one.sandboxId === sandboxId).map(({ id }) => id);
  }

  async *#logs(id: string, options: LogOptions): AsyncGenerator<LogLine> {
    const { kept, container } = await this.#all.find(id);
    let hasEnded = container.state === 'exited';
    const ended = (hasEnded ? Promise.resolve(container) : this.#exits.end(id)).then(() => {
      hasEnded = true;
    });
    yield* readLog({ path: `${kept.files}.log`, ended, hasEnded: () => hasEnded }, options);
  }
}

function logOf({ id, annotations }: ListedContainer): readonly RotatedLog[] {
  const kept = markedContainer(annotations);
  return kept === undefined ? [] : [{ id, path: `${kept.files}.log` }];
}
