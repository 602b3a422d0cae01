/**
 * A runtime whose containers are JavaScript programs in worker threads: a cluster that runs anywhere Node runs. Each has its own arguments,
 * environment, output, memory limit and end. They run in one process per runtime, which is not this one (`host/`): whatever a program does to
 * its process ends at most the programs of its node, and this one is reached through the API alone. They share the machine's files and
 * network and its user, so this is no isolation from programs that mean harm.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { SandboxConfig } from '../container-config.ts';
import { parseImageName } from '../image-name.ts';
import { requireFeature } from '../plain-streams.ts';
import { PodContainers } from '../pod-containers.ts';
import { connectTo } from '../port-forward.ts';
import {
  type ContainerInspection,
  type ContainerService,
  type ImageService,
  type LogLine,
  type LogOptions,
  type Runtime,
  type RuntimeContainer,
  RuntimeError,
  type RuntimeFeature,
  type Sandbox,
  type SandboxService,
} from '../runtime.ts';
import type { StreamingService } from '../streams.ts';
import { type ImageAliases, noAliases } from './image-aliases.ts';
import { builtInImages, imagesHint, ownIdentity, resolveImage } from './images.ts';
import { InProcessContainer } from './inprocess-container.ts';
import { ProgramPlaces } from './program-places.ts';

/** Where files of containers are, and what programs may use. */
export interface InProcessRuntimeDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Folder for the files of containers. */
  readonly dataDir: string;
  /** Programs that stand for images. Default: none. */
  readonly imageAliases?: ImageAliases;
  /** What all programs together may use. Default: three quarters of the machine's memory. */
  readonly memoryBytesMax?: number;
}

/** Programs are whom the machine's user is, and see all of it. `noNewPrivileges` comes with the first who asks. */
const features: readonly RuntimeFeature[] = [
  'attach',
  'exec',
  'execStdin',
  'files',
  'hostNetwork',
  'memoryLimits',
  'portForward',
  'stdin',
  'tty',
];

/** With labels too, of which nothing is asked. */
const featuresWithoutSelinux: readonly RuntimeFeature[] = [...features, 'selinux'];

/** Where the machine has no SELinux, labels mean nothing: then, as with other runtimes, they are taken and nothing is done. */
function hasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce');
}

/** A runtime of JavaScript programs. Nothing is started before the first container is. Close it after the kubelet has stopped. */
export function createInProcessRuntime(deps: InProcessRuntimeDeps): Runtime {
  return new InProcess(deps);
}

class InProcess implements Runtime {
  readonly capabilities;
  readonly #features = new Set(hasSelinux() ? features : featuresWithoutSelinux);
  readonly sandboxes: SandboxService;
  readonly containers: ContainerService;
  readonly inspection: ContainerInspection;
  readonly streaming: StreamingService;
  readonly images: ImageService;
  readonly #deps: InProcessRuntimeDeps;
  readonly #places: ProgramPlaces;
  readonly #pods: PodContainers<InProcessContainer>;
  readonly #bySerial = new Map<number, InProcessContainer>();
  readonly #listeners = new Set<(container: RuntimeContainer) => void>();
  readonly #troubleListeners = new Set<(message: string) => void>();
  readonly #aliases: ImageAliases;
  #serial = 0;

  constructor(deps: InProcessRuntimeDeps) {
    this.#deps = deps;
    this.#pods = new PodContainers(deps);
    this.#aliases = deps.imageAliases ?? noAliases;
    this.capabilities = { name: 'inprocess', version: '1.0.0', features: this.#features, identity: ownIdentity };
    this.#places = new ProgramPlaces({
      ...deps,
      memoryBytesMax: deps.memoryBytesMax,
      message: (message) => 'id' in message && this.#bySerial.get(message.id)?.received(message) === true,
      output: ({ id, stream, bytes }) => this.#bySerial.get(id)?.output(stream, bytes) === true,
      stream: (piece) => this.#bySerial.get(piece.id)?.stream(piece) === true,
      isInUse: () => this.#bySerial.size > 0,
      onDeath: (reason) => {
        for (const listener of this.#troubleListeners) listener(`The process of this node's programs ${reason}`);
      },
    });
    this.sandboxes = {
      run: async (config) => this.#runSandbox(config),
      stop: (id) => this.#pods.stop(id),
      remove: (id) => this.#pods.remove(id),
      list: async () => this.#pods.list(),
    };
    this.containers = {
      create: (sandboxId, config) => this.#create(sandboxId, config),
      start: (id) => this.#start(id),
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
      exec: async (id, options) => this.#pods.get(id).open(options),
      attach: async (id, options) => this.#pods.get(id).attach(options),
      portForward: async (id, options) => {
        if (this.#pods.ready(id) === undefined) throw new RuntimeError('notFound', `sandbox "${id}" not found`);
        return connectTo(options);
      },
    };
    this.images = {
      status: async (image) => (await resolveImage(image, this.#aliases))?.info,
      pull: async (image) => {
        const found = await resolveImage(image, this.#aliases);
        if (found !== undefined) return found.info;
        throw new RuntimeError('imageNotFound', notFoundMessage(image));
      },
      list: async () => builtInImages(),
    };
  }

  onExit(listener: (container: RuntimeContainer) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onTrouble(listener: (message: string) => void): () => void {
    this.#troubleListeners.add(listener);
    return () => this.#troubleListeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#troubleListeners.clear();
    await this.#pods.close();
    await this.#places.close();
  }

  #runSandbox(config: SandboxConfig): Sandbox {
    // The first pod's programs are about to come: what they need to run starts meanwhile.
    void this.#places.warm();
    return this.#pods.run(config);
  }

  async #create(sandboxId: string, config: Parameters<ContainerService['create']>[1]): Promise<string> {
    const image = await resolveImage(config.image, this.#aliases);
    if (image === undefined) throw new RuntimeError('imageNotFound', `image "${config.image}" not found`);
    const folder = await this.#places.folder();
    // Known once the process of the programs has said so: the machine decides, and no program has run in it yet.
    if (config.security.noNewPrivileges === true && (await this.#places.hasNoNewPrivileges()))
      this.#features.add('noNewPrivileges');
    return this.#pods.add(sandboxId, (id, sandbox) => {
      const serial = this.#serial++;
      return new InProcessContainer({
        id,
        serial,
        sandbox,
        config,
        image,
        clock: this.#deps.clock,
        root: join(folder, id),
        place: () => this.#places.acquire(),
        onExit: (exited) => {
          this.#released(serial);
          for (const listener of this.#listeners) listener(exited);
        },
      });
    });
  }

  async #start(id: string): Promise<void> {
    const container = this.#pods.get(id);
    if (container.state === 'created') this.#bySerial.set(container.serial, container);
    try {
      await container.start();
    } catch (error) {
      if (container.state !== 'running') this.#released(container.serial);
      throw error;
    }
  }

  #released(serial: number): void {
    this.#bySerial.delete(serial);
    this.#places.released();
  }

  async *#logs(id: string, options: LogOptions): AsyncGenerator<LogLine> {
    yield* this.#pods.get(id).logs.read(options);
  }
}

function notFoundMessage(image: string): string {
  if (image.startsWith('file://')) return `failed to pull image "${image}": no such file`;
  const { repository, tag, digest } = parseImageName(image);
  const name = digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
  return `failed to pull and unpack image "${name}": failed to resolve reference "${name}": ${name}: not found: ${imagesHint}`;
}
