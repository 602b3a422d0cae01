/** The sandboxes that one node has in a CRI runtime. What is known of them is the runtime's; here are only the folders of their logs. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxConfig } from '../container-config.ts';
import { RuntimeError, type Sandbox, type SandboxService } from '../runtime.ts';
import { sandboxesOf, sandboxStatusOf, stringOf } from './answers.ts';
import { type CriClient, nothing, unlessGone } from './cri-client.ts';
import { labelsOfNode, markedSandbox, sandboxMarks } from './marks.ts';
import { idRequest, listRequest, runSandboxRequest, type SandboxWish, verboseRequest } from './requests.ts';

/** Where they are. */
export interface CriSandboxesOptions {
  readonly client: CriClient;
  /** By which the node's are known among others of the runtime. */
  readonly node: string;
  /** Folder of logs, of which each sandbox has one. */
  readonly logs: string;
  /** Whether pods have network namespaces of their own; else they are on the machine's network. */
  readonly ownNetwork: boolean;
}

/** The sandboxes. */
export class CriSandboxes implements SandboxService {
  readonly #options: CriSandboxesOptions;
  /** Where the namespaces of sandboxes are: what does not change need not be asked for again. */
  readonly #namespaces = new Map<string, string>();

  constructor(options: CriSandboxesOptions) {
    this.#options = options;
  }

  async run(config: SandboxConfig): Promise<Sandbox> {
    const { client } = this.#options;
    const wish = this.wish(config);
    await mkdir(wish.logFolder, { recursive: true, mode: 0o755 });
    const id = await client.runtime('RunPodSandbox', { message: runSandboxRequest(wish), read: stringOf });
    try {
      const sandbox = await this.ready(id);
      if (this.hasOwnNetwork(config) && sandbox.networkNamespace === undefined)
        throw new RuntimeError('failed', `the runtime does not say where the network of sandbox "${id}" is`);
      return sandbox;
    } catch (error) {
      await this.remove(id).catch(() => {});
      throw error;
    }
  }

  /** Containers of it may run on: whoever calls this stops them. */
  async stop(id: string): Promise<void> {
    const { client } = this.#options;
    await unlessGone(client.runtime('StopPodSandbox', { message: idRequest(id), read: nothing }));
  }

  async remove(id: string): Promise<void> {
    const { client } = this.#options;
    const found = (await this.list()).find((sandbox) => sandbox.id === id);
    if (found === undefined) return;
    await this.stop(id);
    await unlessGone(client.runtime('RemovePodSandbox', { message: idRequest(id), read: nothing }));
    await rm(this.#folder(found.config), { recursive: true, force: true });
    this.#namespaces.delete(id);
  }

  async list(): Promise<readonly Sandbox[]> {
    const { client, node } = this.#options;
    const listed = await client.runtime('ListPodSandbox', {
      message: listRequest(3, labelsOfNode(node)),
      read: sandboxesOf,
    });
    const own = listed.flatMap(({ id, isReady, createdAtMs, ...marks }): readonly Sandbox[] => {
      const config = markedSandbox(marks);
      return config === undefined ? [] : [{ id, config, state: isReady ? 'ready' : 'notReady', createdAtMs }];
    });
    return Promise.all(own.map((sandbox) => this.#placed(sandbox)));
  }

  /** With the path of its network namespace, as long as it has one of its own. */
  async #placed(sandbox: Sandbox): Promise<Sandbox> {
    const { id, config, state } = sandbox;
    if (state !== 'ready' || !this.hasOwnNetwork(config)) return sandbox;
    const networkNamespace = this.#namespaces.get(id) ?? (await this.#askNamespace(id));
    if (networkNamespace === undefined) return sandbox;
    this.#namespaces.set(id, networkNamespace);
    return { ...sandbox, networkNamespace };
  }

  /** One that goes meanwhile has none. */
  async #askNamespace(id: string): Promise<string | undefined> {
    const { client } = this.#options;
    const status = await unlessGone(
      client.runtime('PodSandboxStatus', { message: verboseRequest(id), read: sandboxStatusOf }),
    );
    const { networkNamespace, pid } = status ?? {};
    return networkNamespace ?? (pid === undefined ? undefined : `/proc/${pid}/ns/net`);
  }

  /** One that takes containers. Rejects with `notFound` for others. */
  async ready(id: string): Promise<Sandbox> {
    const found = (await this.list()).find((sandbox) => sandbox.id === id);
    if (found?.state !== 'ready') throw new RuntimeError('notFound', `failed to find sandbox id "${id}": not found`);
    return found;
  }

  /** Whether a sandbox of that sort has a network of its own. */
  hasOwnNetwork({ namespaces }: SandboxConfig): boolean {
    return this.#options.ownNetwork && namespaces.network === 'pod';
  }

  /** The process that holds the namespaces of a sandbox, where the runtime tells. */
  async pid(id: string): Promise<number | undefined> {
    const read = (bytes: Uint8Array): number | undefined => sandboxStatusOf(bytes).pid;
    return this.#options.client.runtime('PodSandboxStatus', { message: verboseRequest(id), read });
  }

  /** As the runtime is told of it. */
  wish(config: SandboxConfig): SandboxWish {
    const isOwn = this.hasOwnNetwork(config);
    const namespaces = { ...config.namespaces, network: isOwn ? 'pod' : 'node' } as const;
    return {
      // Who is on the machine's network has the machine's name.
      config: { ...config, namespaces, hostname: isOwn ? config.hostname : '' },
      logFolder: this.#folder(config),
      ...sandboxMarks(this.#options.node, config),
    };
  }

  #folder({ podNamespace, podName, podUid, attempt }: SandboxConfig): string {
    return join(this.#options.logs, `${podNamespace}_${podName}_${podUid}_${attempt}`);
  }
}
