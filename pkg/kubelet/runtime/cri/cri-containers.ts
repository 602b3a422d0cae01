/**
 * The containers that one node has in a CRI runtime. Where they are in their lives is the runtime's to say; here are their files, and who hears of their ends.
 * Invariant: an end is told once, after the runtime shows it: at a stop that came from here at once, else at the next look (`exit-watch.ts`).
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Random } from '#pkg/base/random.ts';
import type { ContainerConfig, ContainerResources } from '../container-config.ts';
import { makeMountSources } from '../mount-sources.ts';
import { type ContainerService, type ImageService, type RuntimeContainer, RuntimeError } from '../runtime.ts';
import { lastWords, makeMessageFile } from '../termination-message.ts';
import { readWhole, writeWhole } from '../whole-files.ts';
import { type CriContainerStatus, containerStatusOf, containersOf, statsOf, stringOf } from './answers.ts';
import { type CriClient, nothing, unlessGone } from './cri-client.ts';
import type { CriSandboxes } from './cri-sandboxes.ts';
import { containerMarks, type KeptContainer, labelsOfNode, markedContainer } from './marks.ts';
import { createRequest, idRequest, listRequest, stopRequest, updateRequest } from './requests.ts';

/** What a stop may take beyond its grace: the runtime kills and tidies up. */
const stopTimeoutMs = 120_000;
/** Longest grace that a call waits for: a timer of the machine has no more. A stop that takes longer is asked for again by who wants it. */
const graceMsMax = 2_000_000_000;

/** What they are made with. */
export interface CriContainersOptions {
  readonly client: CriClient;
  readonly random: Random;
  readonly node: string;
  readonly sandboxes: CriSandboxes;
  readonly images: ImageService;
  readonly seccompFolder: string;
  /** Hears of each container that came to run, and of each that has been seen to have ended. */
  began(id: string): void;
  ended(container: RuntimeContainer): void;
}

/** The containers. */
export class CriContainers implements ContainerService {
  readonly #options: CriContainersOptions;

  constructor(options: CriContainersOptions) {
    this.#options = options;
  }

  async create(sandboxId: string, config: ContainerConfig): Promise<string> {
    const { client, node, random, sandboxes, seccompFolder } = this.#options;
    const { config: sandbox } = await sandboxes.ready(sandboxId);
    if (config.targetContainerId !== undefined) await this.running(config.targetContainerId);
    const imageUser = await this.#imageUser(config);
    const sandboxWish = sandboxes.wish(sandbox);
    const at = `${config.name}/${config.attempt}-${random.uuid().slice(0, 8)}`;
    const files = join(sandboxWish.logFolder, at);
    const { podUid } = sandbox;
    const { image, imageRef, specHash, resources, stdin, stdinOnce, tty } = config;
    const kept: KeptContainer = {
      ...{ image, imageRef, specHash, resources, podUid, sandboxId, files },
      ...(stdin === undefined ? {} : { stdin }),
      ...(stdinOnce === undefined ? {} : { stdinOnce }),
      ...(tty === undefined ? {} : { tty }),
    };
    await mkdir(join(sandboxWish.logFolder, config.name), { recursive: true, mode: 0o755 });
    await makeMessageFile(`${files}.message`);
    await makeMountSources(config);
    const container = {
      config,
      namespaces: sandboxWish.config.namespaces,
      logPath: `${at}.log`,
      terminationLog: `${files}.message`,
      seccompFolder,
      imageUser,
      ...containerMarks(node, { config, sandbox, kept }),
    };
    try {
      const message = createRequest(sandboxId, container, sandboxWish);
      return await client.runtime('CreateContainer', { message, read: stringOf });
    } catch (error) {
      await removeFiles(files);
      throw error;
    }
  }

  async start(id: string): Promise<void> {
    await this.#options.client.runtime('StartContainer', { message: idRequest(id), read: nothing });
    this.#options.began(id);
  }

  async stop(id: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
    const status = await this.#status(id);
    if (status === undefined || status.state === 'created') return;
    if (status.state !== 'exited') {
      const waitMs = Math.min(graceMs, graceMsMax);
      const message = stopRequest(id, Math.ceil(waitMs / 1000));
      const timeoutMs = waitMs + stopTimeoutMs;
      await unlessGone(this.#options.client.runtime('StopContainer', { message, read: nothing, timeoutMs }));
    }
    await this.status(id);
  }

  async remove(id: string): Promise<void> {
    const { client } = this.#options;
    const status = await this.#status(id);
    if (status === undefined) return;
    await this.stop(id, { graceMs: 0 });
    await unlessGone(client.runtime('RemoveContainer', { message: idRequest(id), read: nothing }));
    const files = markedContainer(status.annotations)?.files;
    if (files !== undefined) await removeFiles(files);
  }

  async update(id: string, resources: ContainerResources): Promise<void> {
    const found = await this.find(id);
    if (found.container.state === 'exited') throw new RuntimeError('failed', `container "${id}" has exited`);
    if (found.container.state === 'running') await this.#requireRoom(id, resources);
    const all = { ...found.container.resources, ...resources };
    await this.#options.client.runtime('UpdateContainerResources', { message: updateRequest(id, all), read: nothing });
    await writeWhole(`${found.kept.files}.resources`, all);
  }

  async status(id: string): Promise<RuntimeContainer | undefined> {
    const status = await this.#status(id);
    const found = status === undefined ? undefined : await summary(status);
    if (found?.container.state === 'exited') this.#options.ended(found.container);
    return found?.container;
  }

  async list(): Promise<readonly RuntimeContainer[]> {
    const all = await Promise.all((await this.listed()).map(({ id }) => this.status(id)));
    // What is gone since the list was made is not there.
    return all.filter((container) => container !== undefined);
  }

  /** What the runtime lists of the node's. */
  async listed() {
    const { client, node } = this.#options;
    return client.runtime('ListContainers', { message: listRequest(4, labelsOfNode(node)), read: containersOf });
  }

  /** One, with what was kept of it. Rejects with `notFound`. */
  async find(id: string): Promise<{ readonly container: RuntimeContainer; readonly kept: KeptContainer }> {
    const status = await this.#status(id);
    const found = status === undefined ? undefined : await summary(status);
    if (found === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    return found;
  }

  /** One that runs. Rejects with `notFound`, and with `failed` for one that does not run. */
  async running(id: string): ReturnType<CriContainers['find']> {
    const found = await this.find(id);
    if (found.container.state !== 'running') throw new RuntimeError('failed', `container "${id}" is not running`);
    return found;
  }

  /** What it uses. Rejects with `notFound`, and with `failed` for one that does not run. */
  async stats(id: string) {
    await this.running(id);
    return this.#options.client.runtime('ContainerStats', { message: idRequest(id), read: statsOf });
  }

  /** A limit below what is in use would end the container: the kernel's version 2 takes it. */
  async #requireRoom(id: string, { memoryLimitBytes }: ContainerResources): Promise<void> {
    if (memoryLimitBytes === undefined) return;
    const { memoryBytes } = await this.stats(id);
    if (memoryBytes > memoryLimitBytes)
      throw new RuntimeError('failed', `the memory limit ${memoryLimitBytes} is below what is in use: ${memoryBytes}`);
  }

  async #imageUser({ security, imageRef, image }: ContainerConfig) {
    if (security.runAsGroup === undefined || security.runAsUser !== undefined) return undefined;
    return (await this.#options.images.status(imageRef || image))?.user;
  }

  async #status(id: string): Promise<CriContainerStatus | undefined> {
    try {
      return await this.#options.client.runtime('ContainerStatus', { message: idRequest(id), read: containerStatusOf });
    } catch (error) {
      if (error instanceof RuntimeError && error.reason === 'notFound') return undefined;
      throw error;
    }
  }
}

/** Of what the runtime says and what was kept; undefined for one that a kubelet of another sort has made. */
async function summary(status: CriContainerStatus) {
  const kept = markedContainer(status.annotations);
  if (kept === undefined) return undefined;
  const { image, imageRef, specHash, podUid, sandboxId, files } = kept;
  const changed = await readWhole<ContainerResources>(`${files}.resources`);
  const hasEnded = status.state === 'exited' || status.state === 'unknown';
  const container: RuntimeContainer = {
    id: status.id,
    ...{ sandboxId, podUid, image, imageRef, specHash },
    name: status.name,
    attempt: status.attempt,
    resources: changed ?? kept.resources,
    state: status.state === 'unknown' ? 'exited' : status.state,
    createdAtMs: status.createdAtMs,
    ...(status.startedAtMs === 0 ? {} : { startedAtMs: status.startedAtMs }),
    ...(hasEnded ? endOf(status, await lastWords(`${files}.message`)) : {}),
  };
  return { container, kept };
}

function endOf(status: CriContainerStatus, message: string): Partial<RuntimeContainer> {
  const { exitCode, state } = status;
  // Of one that the runtime has lost sight of nobody knows how it ended.
  if (state === 'unknown') return { finishedAtMs: status.createdAtMs, exitCode: 255, reason: 'Unknown' };
  const plain = exitCode === 0 ? 'Completed' : 'Error';
  // Said of a child too that the program has survived.
  const isOfChild = status.reason === 'OOMKilled' && exitCode === 0;
  const text = message || status.message;
  return {
    finishedAtMs: status.finishedAtMs,
    exitCode,
    reason: isOfChild || status.reason === '' ? plain : status.reason,
    ...(text === '' ? {} : { message: text }),
  };
}

/** Logs that were put aside too. */
async function removeFiles(files: string): Promise<void> {
  const folder = dirname(files);
  for (const name of await readdir(folder).catch(() => []))
    if (name.startsWith(`${basename(files)}.`)) await rm(join(folder, name), { force: true });
}
