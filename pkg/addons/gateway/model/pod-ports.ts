/**
 * Which port of the proxy's pod stands for which port of which gateway. Gateways have ports of their own, so that two may have the same port and hostname,
 * and none needs the right to listen below 1024. The Services of the gateways say what was given before, so that a restart changes nothing.
 */
import type { Service } from '#pkg/api/types/core-v1.ts';

/** The annotation of a Service that says for which gateway (`namespace/name`) it is, or that it is that of Ingresses. */
export const gatewayAnnotation = 'coxswain.dev/gateway';
/** The value for Ingresses: no gateway has such a name. */
export const ingressOwner = 'ingress';

/** Source of the range: no port that other images of the runtime listen on. */
const firstPort = 10_000;
const lastPort = 19_999;

/** Gives ports, the same ones for the same owners. */
export class PodPorts {
  readonly #given = new Map<string, number>();
  readonly #taken = new Set<number>();

  constructor(services: readonly Service[]) {
    for (const { metadata, spec } of services) {
      const owner = metadata?.annotations?.[gatewayAnnotation];
      if (owner === undefined) continue;
      for (const { port, targetPort } of spec?.ports ?? [])
        if (typeof targetPort === 'number' && !this.#taken.has(targetPort)) this.#note(`${owner}:${port}`, targetPort);
    }
  }

  /** The port of the pod; undefined when all are given. */
  portFor(owner: string, port: number): number | undefined {
    const key = `${owner}:${port}`;
    const known = this.#given.get(key);
    if (known !== undefined) return known;
    for (let candidate = firstPort; candidate <= lastPort; candidate++) {
      if (this.#taken.has(candidate)) continue;
      this.#note(key, candidate);
      return candidate;
    }
    return undefined;
  }

  #note(key: string, port: number): void {
    this.#given.set(key, port);
    this.#taken.add(port);
  }
}
