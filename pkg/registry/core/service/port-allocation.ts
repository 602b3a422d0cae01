/**
 * Node ports, and the port for health checks. Numbers that several servers may give are claimed in the store before they are given.
 * Source: upstream `pkg/registry/core/service/{portallocator,storage}`.
 */
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, type FieldPath, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { internalError } from '#pkg/apimachinery/status-error.ts';
import type { StrategyContext } from '#pkg/apiserver/strategy.ts';
import { NumberAllocator, reservedBand } from './allocator.ts';
import { needsHealthCheckPort, needsNodePorts } from './normalize.ts';

const field = pathsOf<Service>();

/** First and last port. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What keeps two servers from giving the same number while neither sees the other's Service yet. */
export interface NumberClaims {
  /** Takes a name for a while, which is longer than a Service takes to be seen by all servers; false when it is taken. */
  take(name: string): Promise<boolean>;
  release(name: string): Promise<void>;
}

/** What ports are taken for. */
export interface PortUse {
  readonly held: ReadonlySet<number>;
  readonly taken: Set<number>;
  readonly random: StrategyContext['random'];
  /** Makes the error of a field. */
  readonly refuse: (error: FieldError) => Error;
}

/** The ports of one server. */
export class PortAllocation {
  readonly #range: PortRange;
  readonly #ports: NumberAllocator;
  readonly #claims: NumberClaims | undefined;

  constructor(range: PortRange, claims: NumberClaims | undefined) {
    this.#range = range;
    this.#claims = claims;
    const size = range.last - range.first + 1;
    const reserved = reservedBand(size, { part: 32, max: 128 });
    this.#ports = new NumberAllocator({ first: range.first, size, reserved });
  }

  /** The ports of the range that a Service has. */
  heldBy({ spec }: Given<Service>): readonly number[] {
    const ports = (spec?.ports ?? []).map((port) => port.nodePort ?? 0);
    return [...ports, spec?.healthCheckNodePort ?? 0].filter((port) => this.#ports.has(port));
  }

  /** Starts over with what is taken. */
  reset(ports: Iterable<number>): void {
    this.#ports.reset(ports);
  }

  /** Gives a port back. A claim that cannot be given back ends by itself. */
  release(port: number): void {
    this.#ports.release(port);
    this.#claims?.release(claimOf(port)).catch(() => {});
  }

  /** Takes what a Service needs beyond what it holds, and writes it into the draft. Throws what `use.refuse` makes, or an internal error. */
  async take(draft: Draft<Service>, use: PortUse): Promise<void> {
    const spec = draft.spec;
    if (spec === undefined) return;
    if (needsNodePorts(draft)) await this.#takeNodePorts(spec, use);
    if (!needsHealthCheckPort(draft)) return;
    const wanted = spec.healthCheckNodePort ?? 0;
    if (wanted === 0) spec.healthCheckNodePort = await this.#takeAny(use, 'failed to allocate a HealthCheck NodePort');
    else await this.#takeNamed(wanted, field('spec.healthCheckNodePort'), use);
  }

  async #takeNodePorts(spec: Draft<ServiceSpec>, use: PortUse): Promise<void> {
    // Ports with the same number and different protocols share a node port when they can.
    const byPort = new Map<number, Map<string, number>>();
    for (const [index, port] of (spec.ports ?? []).entries()) {
      const number = port.port ?? 0;
      const protocol = port.protocol ?? '';
      const shared = byPort.get(number) ?? new Map<string, number>();
      byPort.set(number, shared);
      const sharable = shared.has(protocol) ? undefined : [...shared.values()][0];
      const wanted = port.nodePort ?? 0;
      if (wanted === 0) port.nodePort = sharable ?? (await this.#takeAny(use, 'failed to allocate a nodePort'));
      else if (wanted !== sharable)
        await this.#takeNamed(wanted, child(at(field('spec.ports'), index), 'nodePort'), use);
      shared.set(protocol, port.nodePort ?? 0);
    }
  }

  /** Any free port. One that another server has just claimed stays taken until what there is is looked up again. */
  async #takeAny({ random, taken }: PortUse, failure: string): Promise<number> {
    for (;;) {
      const port = this.#ports.takeAny(random);
      if (port === undefined) throw internalError(new Error(`${failure}: range is full`));
      if (!(await this.#claim(port))) continue;
      taken.add(port);
      return port;
    }
  }

  async #takeNamed(port: number, path: FieldPath, { held, taken, refuse }: PortUse): Promise<void> {
    if (held.has(port) || taken.has(port)) return;
    const { first, last } = this.#range;
    if (!this.#ports.has(port)) {
      const detail = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
      throw refuse(invalid(path, port, detail));
    }
    if (!this.#ports.take(port) || !(await this.#claim(port)))
      throw refuse(invalid(path, port, 'provided port is already allocated'));
    taken.add(port);
  }

  async #claim(port: number): Promise<boolean> {
    return this.#claims === undefined || this.#claims.take(claimOf(port));
  }
}

/** The name of a port among the claims. */
function claimOf(port: number): string {
  return `port/${port}`;
}
