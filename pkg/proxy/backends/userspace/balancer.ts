/** Chooses an endpoint: any at random, or for a Service with session affinity the one that the client had. */
import { type Random, randomInt } from '#pkg/base/random.ts';
import { addressKey, type EndpointChooser, type RelayAddress } from '#pkg/network/relay/relay.ts';
import type { RuleEndpoint } from '../../model/rule.ts';
import type { AffinityTable } from './affinity.ts';

/** Among which endpoints to choose, and whether clients stay with theirs. */
export interface BalancerTarget {
  readonly endpoints: readonly RuleEndpoint[];
  readonly sessionAffinity?: { readonly timeoutSeconds: number };
}

/** Chooses for one rule. */
export class Balancer implements EndpointChooser {
  readonly #random: Random;
  #target: BalancerTarget = { endpoints: [] };
  readonly #affinity: AffinityTable;

  /** `affinity` is shared by all balancers of one rule. */
  constructor(options: { readonly affinity: AffinityTable; readonly random: Random }) {
    this.#affinity = options.affinity;
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
    return this.#keptFor(clientIp, candidates) ?? candidates[randomInt(this.#random, candidates.length)];
  }

  /** The client was connected to this endpoint, or used it again. */
  remember(clientIp: string, endpoint: RelayAddress): void {
    if (this.#target.sessionAffinity === undefined) return;
    this.#affinity.remember(clientIp, addressKey(endpoint));
  }

  has(key: string): boolean {
    return this.#target.endpoints.some((endpoint) => addressKey(endpoint) === key);
  }

  #keptFor(clientIp: string, candidates: readonly RuleEndpoint[]): RuleEndpoint | undefined {
    const { sessionAffinity } = this.#target;
    if (sessionAffinity === undefined) return undefined;
    for (const kept of this.#affinity.endpointsOf(clientIp, sessionAffinity.timeoutSeconds)) {
      const found = candidates.find((endpoint) => addressKey(endpoint) === kept);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
