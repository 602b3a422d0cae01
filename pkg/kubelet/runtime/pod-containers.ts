/**
 * The sandboxes of a runtime whose pods end with its process, and the containers in them, by identity. Invariant: a container is in the sandbox that it was added to
 * until one of both is removed; what is removed was stopped before. Who adds and removes listens to nobody: exits are the runtime's to tell.
 */
import type { Clock } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { SandboxConfig } from './container-config.ts';
import { type RuntimeContainer, RuntimeError, type Sandbox } from './runtime.ts';
import { type SandboxRecord, sandboxSummary } from './summary.ts';

/** A container as it is held here. */
export interface HeldContainer {
  stop(graceMs: number): Promise<void>;
  snapshot(): RuntimeContainer;
  /** Takes away what it leaves. Absent: nothing. */
  clean?(): Promise<void>;
}

/** A sandbox with its containers, by identity. */
export interface PodSandbox<C> extends SandboxRecord {
  readonly containers: ReadonlyMap<string, C>;
}

interface Entry<C> extends PodSandbox<C> {
  ready: boolean;
  readonly containers: Map<string, C>;
}

/** All of one runtime. */
export class PodContainers<C extends HeldContainer> {
  readonly #deps: { readonly clock: Clock; readonly random: Random };
  readonly #sandboxes = new Map<string, Entry<C>>();
  readonly #byId = new Map<string, { readonly container: C; readonly sandbox: Entry<C> }>();

  constructor(deps: { readonly clock: Clock; readonly random: Random }) {
    this.#deps = deps;
  }

  /** An identity that nothing else has. */
  newId(): string {
    return (this.#deps.random.uuid() + this.#deps.random.uuid()).replaceAll('-', '');
  }

  run(config: SandboxConfig): Sandbox {
    const createdAtMs = this.#deps.clock.nowMs();
    const entry: Entry<C> = { id: this.newId(), config, createdAtMs, ready: true, containers: new Map() };
    this.#sandboxes.set(entry.id, entry);
    return sandboxSummary(entry);
  }

  /** Stops all containers of a sandbox without grace; does nothing where there is none. */
  async stop(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    sandbox.ready = false;
    await Promise.all([...sandbox.containers.values()].map((container) => container.stop(0)));
  }

  async remove(id: string): Promise<void> {
    await this.stop(id);
    const sandbox = this.#sandboxes.get(id);
    await Promise.all([...(sandbox?.containers.keys() ?? [])].map((container) => this.removeContainer(container)));
    this.#sandboxes.delete(id);
  }

  /** Each sandbox with its containers. */
  all(): Iterable<PodSandbox<C>> {
    return this.#sandboxes.values();
  }

  list(): readonly Sandbox[] {
    return [...this.#sandboxes.values()].map(sandboxSummary);
  }

  /** Undefined for one that is not there, or was stopped. */
  ready(id: string): PodSandbox<C> | undefined {
    const sandbox = this.#sandboxes.get(id);
    return sandbox?.ready === true ? sandbox : undefined;
  }

  /** Makes a container in a sandbox. Throws `notFound` where that is not ready. */
  add(sandboxId: string, make: (id: string, sandbox: PodSandbox<C>) => C): string {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox?.ready !== true)
      throw new RuntimeError('notFound', `failed to find sandbox id "${sandboxId}": not found`);
    const id = this.newId();
    const container = make(id, sandbox);
    sandbox.containers.set(id, container);
    this.#byId.set(id, { container, sandbox });
    return id;
  }

  find(id: string): C | undefined {
    return this.#byId.get(id)?.container;
  }

  /** Throws `notFound` where there is none. */
  get(id: string): C {
    const container = this.find(id);
    if (container === undefined) throw new RuntimeError('notFound', `container "${id}" not found`);
    return container;
  }

  async removeContainer(id: string): Promise<void> {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    await entry.container.stop(0);
    this.#byId.delete(id);
    entry.sandbox.containers.delete(id);
    await entry.container.clean?.();
  }

  snapshots(): readonly RuntimeContainer[] {
    return [...this.#byId.values()].map(({ container }) => container.snapshot());
  }

  /** Removes all. */
  async close(): Promise<void> {
    await Promise.all([...this.#sandboxes.keys()].map((id) => this.remove(id)));
  }
}
