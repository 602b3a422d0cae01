/**
 * What the endpoint-slice controller knows of zones: the parts that the nodes' processors give them, and which Services have their endpoints shared out by
 * those. Says in an event when that begins, and why it does not: each once until it changes.
 */
import type { Node, Service } from '#pkg/api/types/core-v1.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informer } from '#pkg/client/informer.ts';
import { isByProcessors } from './hints.ts';
import { type ZoneShares, zoneShares } from './zone-shares.ts';

const enabled = 'Topology Aware Hints has been enabled';

/** One entry for each Service that asks for zones by their processors. */
export class Topology {
  readonly #nodes: Informer<Node>;
  readonly #events: EventRecorder;
  readonly #said = new Map<string, string>();
  #shares: ZoneShares;
  #isCurrent = false;

  /** `changed` is called when the zones' parts have, which they do with nodes that come, go, fail or grow. */
  constructor(options: {
    readonly nodes: Informer<Node>;
    readonly events: EventRecorder;
    readonly changed: () => void;
  }) {
    this.#nodes = options.nodes;
    this.#events = options.events;
    const look = (): void => {
      // Nobody asks: the nodes of a large cluster are not added up at each of their heartbeats.
      if (this.#said.size === 0) {
        this.#isCurrent = false;
        return;
      }
      const before = textOf(this.#shares);
      this.#isCurrent = false;
      if (textOf(this.shares) !== before) options.changed();
    };
    this.#nodes.addHandler({ added: look, updated: look, deleted: look });
  }

  get shares(): ZoneShares {
    if (!this.#isCurrent) {
      this.#shares = zoneShares(this.#nodes.lister.list());
      this.#isCurrent = true;
    }
    return this.#shares;
  }

  /** Keys of the Services that ask for zones. */
  services(): readonly string[] {
    return [...this.#said.keys()];
  }

  /** To be told of each look at a Service, and what was in the way. */
  looked(service: Service, problems: readonly string[]): void {
    const key = objectKey(service);
    if (!isByProcessors(service)) {
      this.#said.delete(key);
      return;
    }
    const message = problems.length === 0 ? enabled : problems.join('; ');
    if (this.#said.get(key) === message) return;
    this.#said.set(key, message);
    const isOn = problems.length === 0;
    const reason = isOn ? 'TopologyAwareHintsEnabled' : 'TopologyAwareHintsDisabled';
    this.#events.record(service, { type: isOn ? 'Normal' : 'Warning', reason, message });
  }

  forget(key: string): void {
    this.#said.delete(key);
  }
}

function textOf(shares: ZoneShares): string {
  return shares === undefined ? '' : [...shares].join(';');
}
