/**
 * Which endpoints the clients of one rule were sent to, whatever address of the Service they used: cluster IP, node port and the others lead a client
 * to the same one. Where the traffic policies differ an address may not lead to an endpoint that another does, so a client can have several.
 * Upstream counterpart: the `recent` lists of kube-proxy's endpoint chains, and the affinity sets of its nftables backend.
 */
import type { Clock } from '#pkg/base/clock.ts';

/** Clients remembered per port of a Service; the one silent longest is forgotten first. About 100 bytes each. */
const affinityClientsMax = 10_000;

/** Endpoints remembered of a client, the last used first: more than there are ways in with endpoints of their own. The last is forgotten. */
const clientEndpointsMax = 4;

interface Visit {
  readonly endpoint: string;
  readonly lastMs: number;
}

/** The endpoints that clients had, forgotten after the Service's own time; bounded by a number of clients. */
export class AffinityTable {
  readonly #clock: Clock;
  /** By client address, least recently used first. */
  readonly #visits = new Map<string, readonly Visit[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  clear(): void {
    this.#visits.clear();
  }

  /** Keys of the endpoints that the client has used within the time, the last one first. */
  endpointsOf(clientIp: string, timeoutSeconds: number): readonly string[] {
    const nowMs = this.#clock.monotonicMs();
    const visits = this.#visits.get(clientIp) ?? [];
    return visits.filter(({ lastMs }) => nowMs - lastMs < timeoutSeconds * 1000).map(({ endpoint }) => endpoint);
  }

  /** The client was connected to this endpoint, or used it again. */
  remember(clientIp: string, endpoint: string): void {
    const others = (this.#visits.get(clientIp) ?? []).filter((visit) => visit.endpoint !== endpoint);
    this.#visits.delete(clientIp);
    if (this.#visits.size >= affinityClientsMax) this.#visits.delete(this.#visits.keys().next().value!);
    const visit = { endpoint, lastMs: this.#clock.monotonicMs() };
    this.#visits.set(clientIp, [visit, ...others.slice(0, clientEndpointsMax - 1)]);
  }
}
