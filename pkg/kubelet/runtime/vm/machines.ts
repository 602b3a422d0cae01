/** The machines of a node for who moves them: by the name of their pod, whatever containers are called. */
import type { Owner } from '#pkg/vmm/migration/contract.ts';
import type { SandboxConfig } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import type { Arrival, Departure, FromGuest } from './guest/protocol.ts';
import type { GuestThread, GuestThreadEvents, MigrationNews } from './guest-thread.ts';
import type { VmContainer } from './vm-container.ts';

/** Which pod. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** What an end asks about whose a machine is. */
export type MachineClaim = Omit<Extract<FromGuest, { readonly type: 'claim' }>, 'type'>;

/** Told of all migrations of the node's machines. */
export interface MoveListener {
  claim(pod: PodName, claim: MachineClaim): void;
  migration(pod: PodName, news: MigrationNews): void;
}

type Sandboxed = { readonly config: SandboxConfig; readonly containers: ReadonlyMap<string, VmContainer> };

/** Machines by their pods. */
export class Machines {
  readonly #all: () => Iterable<Sandboxed>;
  readonly #listeners = new Set<MoveListener>();

  constructor(all: () => Iterable<Sandboxed>) {
    this.#all = all;
  }

  /** Tells `listener` until what is returned is called. */
  listen(listener: MoveListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whom a container's thread tells. */
  eventsOf({ podNamespace: namespace, podName: name }: SandboxConfig): Pick<GuestThreadEvents, 'claim' | 'migration'> {
    return {
      claim: (claim) => {
        for (const listener of this.#listeners) listener.claim({ namespace, name }, claim);
      },
      migration: (news) => {
        for (const listener of this.#listeners) listener.migration({ namespace, name }, news);
      },
    };
  }

  /** Waits for a machine in that pod; resolves with the port. Rejects where no container of it runs. */
  async receive(pod: PodName, arrival: Arrival): Promise<number> {
    return this.#thread(pod).receive(arrival);
  }

  /** Sends the machine of that pod away. Throws where no container of it runs. */
  migrate(pod: PodName, departure: Departure): void {
    this.#thread(pod).migrate(departure);
  }

  /** Ends the migration under way, as far as that is possible. */
  abort(pod: PodName, reason: string): void {
    this.#thread(pod).abort(reason);
  }

  /** Answers a claim. */
  claimed(pod: PodName, owner: Owner | 'unknown'): void {
    this.#thread(pod).claimed(owner);
  }

  #thread({ namespace, name }: PodName): GuestThread {
    for (const { config, containers } of this.#all()) {
      if (config.podNamespace !== namespace || config.podName !== name) continue;
      for (const container of containers.values()) if (container.state === 'running') return container.thread;
    }
    throw new RuntimeError('notFound', `no machine of the pod ${namespace}/${name} runs here`);
  }
}
