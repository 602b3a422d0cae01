/** Chooses an endpoint: any at random, or for a Service with session affinity the one that the client had. */
import type { Clock } from '#pkg/base/clock.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import { addressKey, type EndpointChooser, type RelayAddress } from '#pkg/network/relay/relay.ts';
import type { RuleEndpoint } from '../../model/rule.ts';

/** Clients remembered per port of a Service; the one silent longest is forgotten first. About 100 bytes each. */
const affinityClientsMax = 10_000;

export interface BalancerTarget {
  readonly endpoints: readonly RuleEndpoint[];
  readonly sessionAffinity?: { readonly timeoutSeconds: number };
}

interface Affinity {
  readonly endpoint: string;
  readonly lastMs: number;
}

export class Balancer implements EndpointChooser {
  readonly #clock: Clock;
  readonly #random: Random;
  #target: BalancerTarget = { endpoints: [] };
  /** By client address, least recently used first. */
  readonly #affinity = new Map<string, Affinity>();

  constructor(options: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
  }

  get target(): BalancerTarget {
    return this.#target;
  }

  /** Replaces the endpoints; clients of those that are gone choose anew. */
  setTarget(target: BalancerTarget): void {
    this.#target = target;
    if (target.sessionAffinity === undefined) this.#affinity.clear();
  }

  /** An endpoint for a client, not one of `exclude`; undefined when there is none. */
  pick(clientIp: string, exclude: ReadonlySet<string> = new Set()): RuleEndpoint | undefined {
    const candidates = this.#target.endpoints.filter((endpoint) => !exclude.has(addressKey(endpoint)));
    const kept = this.#keptFor(clientIp);
    return (
      candidates.find((endpoint) => addressKey(endpoint) === kept) ??
      candidates[randomInt(this.#random, candidates.length)]
    );
  }

  /** The client was connected to this endpoint, or used it again. */
  remember(clientIp: string, endpoint: RelayAddress): void {
    if (this.#target.sessionAffinity === undefined) return;
    this.#affinity.delete(clientIp);
    if (this.#affinity.size >= affinityClientsMax) this.#affinity.delete(this.#affinity.keys().next().value!);
    this.#affinity.set(clientIp, { endpoint: addressKey(endpoint), lastMs: this.#clock.monotonicMs() });
  }

  has(key: string): boolean {
    return this.#target.endpoints.some((endpoint) => addressKey(endpoint) === key);
  }

  #keptFor(clientIp: string): string | undefined {
    const known = this.#affinity.get(clientIp);
    const { sessionAffinity } = this.#target;
    if (known === undefined || sessionAffinity === undefined) return undefined;
    if (this.#clock.monotonicMs() - known.lastMs >= sessionAffinity.timeoutSeconds * 1000) return undefined;
    return known.endpoint;
  }
}
