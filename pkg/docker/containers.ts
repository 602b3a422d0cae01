/**
 * The containers of one socket: each is a sandbox of the container runtime with one container in it. Invariants: a container goes `created -> running -> exited`,
 * never back; its name is its own until it is removed; whoever waits is told once. Nothing of them outlives `close`.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Random } from '#pkg/base/random.ts';
import type { ImageStore, StoredImage } from '#pkg/images/image-store.ts';
import type { ContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import type { RuntimeContainer } from '#pkg/kubelet/runtime/runtime.ts';
import type { TerminalSize } from '#pkg/kubelet/runtime/streams.ts';
import type { ContainerNetwork } from './container-network.ts';
import { containerConfig, sandboxConfig } from './container-spec.ts';
import { DockerError } from './docker-error.ts';
import { type Publication, publishPorts } from './ports.ts';
import type { MadeMount, Volumes } from './volumes.ts';
import { type ContainerWish, type PortWish, portOf } from './wish.ts';

/** What they are made with. */
export interface ContainersDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly images: ImageStore;
  readonly runtime: ContainerRuntime;
  readonly network: ContainerNetwork;
  readonly volumes: Volumes;
  /** Folder for the files that containers get. */
  readonly folder: string;
}

/** One container. */
export interface DockerContainer {
  readonly id: string;
  name: string;
  readonly wish: ContainerWish;
  readonly image: StoredImage;
  readonly createdMs: number;
  readonly runtimeId: string;
  readonly sandboxId: string;
  readonly networkNamespace: string | undefined;
  readonly mounts: readonly MadeMount[];
  readonly hostsFile: string;
  state: 'created' | 'exited' | 'running';
  ip: string;
  publication: Publication | undefined;
  startedMs: number | undefined;
  finishedMs: number | undefined;
  exitCode: number;
  isOutOfMemory: boolean;
  /** Why it could not be started; empty where it was. */
  error: string;
  /** Resolves once it runs, or never will. */
  readonly begun: PromiseWithResolvers<void>;
  /** Resolves with the exit code. */
  readonly exited: PromiseWithResolvers<number>;
  /** Resolves once it is gone. */
  readonly removed: PromiseWithResolvers<void>;
  isStarting: boolean;
  isPaused: boolean;
  isBeingRemoved: boolean;
  /** Tells the terminals of who is attached their size. */
  readonly terminals: Set<(size: TerminalSize) => void>;
}

/** Of a name. Source: Docker's `names.RestrictedNamePattern`. */
const namePattern = /^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** The containers. */
export class Containers {
  readonly #deps: ContainersDeps;
  readonly #byId = new Map<string, DockerContainer>();
  /** Names of containers that are being made. */
  readonly #reserved = new Set<string>();
  readonly #stopListening: () => void;

  constructor(deps: ContainersDeps) {
    this.#deps = deps;
    this.#stopListening = deps.runtime.onExit((container) => {
      // What cannot be taken away is there for who removes it by hand.
      this.#exited(container).catch(() => {});
    });
  }

  /** The newest first. */
  list(): readonly DockerContainer[] {
    return [...this.#byId.values()].reverse();
  }

  /** By id, the beginning of one, or a name. Throws 404. */
  find(reference: string): DockerContainer {
    const name = reference.replace(/^\//, '');
    const all = this.list();
    const found = this.#byId.get(name) ?? all.find((one) => one.name === name);
    if (found !== undefined) return found;
    const begun = name === '' ? [] : all.filter(({ id }) => id.startsWith(name));
    if (begun.length > 1) throw new DockerError(404, `Multiple IDs found with provided prefix: ${name}`);
    const [only] = begun;
    if (only === undefined) throw new DockerError(404, `No such container: ${reference}`);
    return only;
  }

  /** Makes one. Rejects, with nothing left, where it cannot be. */
  async create(wish: ContainerWish, wantedName: string): Promise<DockerContainer> {
    const { clock, images, random, volumes, folder } = this.#deps;
    const image = await images.find(wish.image);
    if (image === undefined) throw new DockerError(404, `No such image: ${wish.image}`);
    const id = (random.uuid() + random.uuid()).replaceAll('-', '');
    const name = this.#reserve(wantedName, id);
    const own = join(folder, id);
    const hostsFile = join(own, 'hosts');
    let sandboxId: string | undefined;
    try {
      await mkdir(own, { recursive: true, mode: 0o755 });
      await writeFile(hostsFile, hostsText(wish, id, ''));
      const mounts = await volumes.mountsOf(wish.mounts, id);
      const { runtime } = this.#deps;
      const sandbox = await runtime.sandboxes.run(sandboxConfig(wish, id));
      sandboxId = sandbox.id;
      const config = containerConfig({ wish, image, name, mounts, hostsFile });
      const runtimeId = await runtime.containers.create(sandbox.id, config);
      const container = {
        ...{ id, name, wish, image, createdMs: clock.nowMs(), runtimeId, sandboxId: sandbox.id, mounts, hostsFile },
        ...{ networkNamespace: sandbox.networkNamespace, state: 'created', ip: '', publication: undefined },
        ...{ startedMs: undefined, finishedMs: undefined, exitCode: 0, isOutOfMemory: false, error: '' },
        begun: Promise.withResolvers<void>(),
        ...{
          exited: Promise.withResolvers<number>(),
          removed: Promise.withResolvers<void>(),
          isStarting: false,
          isPaused: false,
          isBeingRemoved: false,
        },
        terminals: new Set<(size: TerminalSize) => void>(),
      } as const satisfies DockerContainer;
      this.#byId.set(id, container);
      return container;
    } catch (error) {
      if (sandboxId !== undefined) await this.#deps.runtime.sandboxes.remove(sandboxId);
      await volumes.release(id);
      await rm(own, { recursive: true, force: true });
      throw error;
    } finally {
      this.#reserved.delete(name);
    }
  }

  /** Runs it. Throws 304 for one that runs, and 501 for one that has: its root is as it was left, which nothing starts again. */
  async start(container: DockerContainer): Promise<void> {
    if (container.state === 'running') throw new DockerError(304, '');
    if (container.state === 'exited')
      throw new DockerError(501, `container ${container.id} has exited: Coxswain's Docker socket starts none again`);
    if (container.isStarting) throw new DockerError(409, `container ${container.id} is being started already`);
    container.isStarting = true;
    const { clock, runtime } = this.#deps;
    try {
      await this.#connect(container);
      container.state = 'running';
      container.startedMs = clock.nowMs();
      await runtime.containers.start(container.runtimeId);
      container.begun.resolve();
    } catch (error) {
      container.error = errorText(error);
      await this.#over(container, { exitCode: startFailed, isOutOfMemory: false });
      if (error instanceof DockerError) throw error;
      throw new DockerError(400, `failed to create task for container: ${container.error}`, error);
    }
  }

  /** Asks it to end, and ends it after a while. */
  async stop(container: DockerContainer, graceMs: number): Promise<void> {
    if (container.state !== 'running') throw new DockerError(304, '');
    await this.#deps.runtime.containers.stop(container.runtimeId, { graceMs });
    await container.exited.promise;
  }

  /** Stops it where it is. Throws 409 for one that does not run, or is paused. */
  async pause(container: DockerContainer): Promise<void> {
    const { id, isPaused, runtimeId, state } = container;
    if (state !== 'running') throw new DockerError(409, `Container ${id} is not running`);
    if (isPaused) throw new DockerError(409, `Container ${id} is already paused`);
    await this.#deps.runtime.containers.freezer.freeze(runtimeId);
    container.isPaused = true;
  }

  /** Lets it go on. Throws 409 for one that is not paused. */
  async unpause(container: DockerContainer): Promise<void> {
    if (!container.isPaused) throw new DockerError(409, `Container ${container.id} is not paused`);
    await this.#deps.runtime.containers.freezer.thaw(container.runtimeId);
    container.isPaused = false;
  }

  /** Sends a signal by its name or number. Throws 409 for one that does not run. */
  async kill(container: DockerContainer, signal: string): Promise<void> {
    if (container.state !== 'running')
      throw new DockerError(409, `Cannot kill container: ${container.id}: Container ${container.id} is not running`);
    // One that stands still hears nothing.
    if (container.isPaused) await this.unpause(container);
    await this.#deps.runtime.signal(container.runtimeId, signal);
  }

  /** Takes it away. Throws 409 for one that runs, but with `force`. */
  async remove(container: DockerContainer, { force }: { readonly force: boolean }): Promise<void> {
    const { id } = container;
    if (container.isBeingRemoved) throw new DockerError(409, `removal of container ${id} is already in progress`);
    if (container.state === 'running' && !force)
      throw new DockerError(
        409,
        `You cannot remove a running container ${id}. Stop the container before attempting removal or force remove`,
      );
    container.isBeingRemoved = true;
    try {
      await this.#takeAway(container);
    } catch (error) {
      container.isBeingRemoved = false;
      throw error;
    }
    this.#byId.delete(id);
    container.begun.resolve();
    container.exited.resolve(container.exitCode);
    container.removed.resolve();
  }

  async #takeAway(container: DockerContainer): Promise<void> {
    const { id } = container;
    const { folder, network, runtime, volumes } = this.#deps;
    await container.publication?.close();
    await runtime.sandboxes.stop(container.sandboxId);
    if (container.ip !== '') await network.detach(id);
    await runtime.sandboxes.remove(container.sandboxId);
    await volumes.release(id);
    await rm(join(folder, id), { recursive: true, force: true });
  }

  rename(container: DockerContainer, wanted: string): void {
    const name = this.#reserve(wanted, container.id);
    container.name = name;
    this.#reserved.delete(name);
  }

  /** Ends and takes away all of them. */
  async close(): Promise<void> {
    await Promise.all(
      this.list().map((one) => (one.isBeingRemoved ? one.removed.promise : this.remove(one, { force: true }))),
    );
    this.#stopListening();
  }

  /** Gives it its network and its ports. */
  async #connect(container: DockerContainer): Promise<void> {
    const { clock, network } = this.#deps;
    const { id, networkNamespace, wish } = container;
    if (networkNamespace !== undefined && wish.network === 'none') await network.isolate(networkNamespace);
    if (networkNamespace !== undefined && wish.network === 'bridge') {
      container.ip = await network.attach(id, networkNamespace);
      container.publication = await publishPorts(portsOf(container), { ip: container.ip, clock });
    }
    await writeFile(container.hostsFile, hostsText(wish, id, container.ip));
  }

  #reserve(wanted: string, id: string): string {
    const name = wanted.replace(/^\//, '') || `coxswain_${id.slice(0, 8)}`;
    if (!namePattern.test(name))
      throw new DockerError(400, `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
    const holder = this.list().find((one) => one.name === name);
    if (holder !== undefined || this.#reserved.has(name))
      throw new DockerError(
        409,
        `Conflict. The container name "/${name}" is already in use by container "${holder?.id ?? ''}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    this.#reserved.add(name);
    return name;
  }

  async #exited({ id: runtimeId, exitCode = 0, reason }: RuntimeContainer): Promise<void> {
    const container = this.list().find((one) => one.runtimeId === runtimeId);
    if (container === undefined) return;
    await this.#over(container, { exitCode, isOutOfMemory: reason === 'OOMKilled' });
  }

  async #over(
    container: DockerContainer,
    { exitCode, isOutOfMemory }: Pick<DockerContainer, 'exitCode' | 'isOutOfMemory'>,
  ): Promise<void> {
    if (container.state === 'exited') return;
    container.state = 'exited';
    container.isPaused = false;
    container.finishedMs = this.#deps.clock.nowMs();
    container.exitCode = exitCode;
    container.isOutOfMemory = isOutOfMemory;
    const { publication } = container;
    container.publication = undefined;
    container.begun.resolve();
    container.exited.resolve(exitCode);
    await publication?.close();
    if (container.wish.autoRemove && !container.isBeingRemoved) await this.remove(container, { force: true });
  }
}

/** Exit code of what could not be started. Source: `docker run`. */
const startFailed = 127;

/** The ports to publish: those that are said, and with `-P` all that are exposed. */
function portsOf({ wish, image }: DockerContainer): readonly PortWish[] {
  if (!wish.publishesAll) return wish.ports;
  const said = new Set(wish.ports.map(({ protocol, containerPort }) => `${containerPort}/${protocol}`));
  const exposed = new Set([...wish.exposed, ...(image.config.exposedPorts ?? [])]);
  const others = [...exposed].filter((port) => !said.has(port));
  return [...wish.ports, ...others.map((port) => ({ ...portOf(port), hostIp: '', hostPort: 0 }))];
}

/** `/etc/hosts` of a container. */
function hostsText({ hostname, hosts }: ContainerWish, id: string, ip: string): string {
  const said = hosts.map((line) => {
    const colon = line.indexOf(':');
    return `${line.slice(colon + 1)}\t${line.slice(0, colon)}`;
  });
  const own = ip === '' ? [] : [`${ip}\t${hostname || id.slice(0, 12)}`];
  return `${['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...said, ...own].join('\n')}\n`;
}
