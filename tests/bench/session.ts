/**
 * One server as the clients see it: their connections to it, the namespaces they work in, and the pods that are there for rows to read and
 * change. Invariant: the pods `many-0` to `many-<pool - 1>` exist until a row that says so deletes them.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Connection, Request } from './connection.ts';
import type { Target } from './kubeconfig.ts';
import { clock, drainMs, drive, openAll, sendAll } from './load.ts';
import { benchNamespace, listNamespace, podBody, podBytes, podsPath } from './objects.ts';

/** How much is measured. */
export interface BenchSizes {
  /** How long each row lasts. */
  readonly rowMs: number;
  readonly nodes: number;
  readonly pods: number;
}

/** Clients of the rows that ask as much as they can. */
export const clients = 32;

/** Pods of the list row. */
export const listItems = 2_200;

/** Round trips after which a server has done what was due while it was stopped: timers run after the answers that were due first. */
const settlingRoundTrips = 3;

/** What a session needs to know beforehand. */
export interface SessionOptions {
  readonly sizes: BenchSizes;
  /** Pods that exist before the first row; 0 when the first row makes them. */
  readonly poolPods: number;
  /** What another session found out, for a server that serves what it is given. Default: measured. */
  readonly paddingBytes?: number;
}

/** A server with what the benchmark has on it. */
export class Session {
  readonly target: Target;
  readonly sizes: BenchSizes;
  connections: readonly Connection[];
  /** Whether the pool stays from the first row to the last, as rows are measured in turns. */
  readonly keepsPool: boolean;
  paddingBytes = 0;
  pool = 0;
  #serial = 0;
  #listBytes = 0;

  private constructor(target: Target, options: SessionOptions, connections: readonly Connection[]) {
    this.target = target;
    this.sizes = options.sizes;
    this.keepsPool = options.poolPods > 0;
    this.connections = connections;
  }

  /** Connects, and makes the namespaces and, when there is a pool, all pods that stay; throws when the namespaces are there already. */
  static async open(target: Target, options: SessionOptions): Promise<Session> {
    const session = new Session(target, options, await openAll(target, clients));
    for (const name of [benchNamespace, listNamespace]) await session.#makeNamespace(name);
    session.paddingBytes = options.paddingBytes ?? (await session.#measurePadding());
    if (session.keepsPool) {
      await session.makePods('many', options.poolPods);
      session.pool = options.poolPods;
      await session.ensureListed();
    }
    return session;
  }

  /** A number that no row was given before, for names and values that must be new. */
  nextSerial(): number {
    return this.#serial++;
  }

  /** New connections, as a server ends those that rest for long; and waits until it has done what was due before. */
  async reconnect(): Promise<void> {
    for (const connection of this.connections) connection.close();
    this.connections = await openAll(this.target, clients);
    for (let trips = 0; trips < settlingRoundTrips; trips++)
      await this.connections[0]!.request({ method: 'GET', path: `${podsPath(benchNamespace)}?limit=1` });
  }

  creation(name: string, annotations: Readonly<Record<string, string>> = {}): Request {
    const body = podBody(name, { paddingBytes: this.paddingBytes, annotations });
    return { method: 'POST', path: podsPath(benchNamespace), body };
  }

  /** Makes the pods `<prefix>-0` and so on. */
  async makePods(prefix: string, count: number): Promise<void> {
    await sendAll(
      this.connections,
      Array.from({ length: count }, (_, n) => this.creation(`${prefix}-${n}`)),
    );
  }

  /** Makes the pods of the list row, unless it has; returns how long the list is. */
  async ensureListed(): Promise<number> {
    if (this.#listBytes > 0) return this.#listBytes;
    const path = podsPath(listNamespace);
    const { paddingBytes } = this;
    await sendAll(
      this.connections,
      Array.from({ length: listItems }, (_, n) => ({
        method: 'POST',
        path,
        body: podBody(`listed-${n}`, { paddingBytes }),
      })),
    );
    this.#listBytes = (await this.connections[0]!.request({ method: 'GET', path })).bodyBytes;
    return this.#listBytes;
  }

  /** Deletes the pods `<prefix>-0` and so on; those that are gone already are passed over. */
  async removePods(prefix: string, count: number): Promise<void> {
    await drive({
      connections: this.connections,
      durationMs: Number.POSITIVE_INFINITY,
      request: (n) => (n < count ? deletion(podPath(`${prefix}-${n}`)) : undefined),
    });
  }

  /** Deletes what the benchmark made, and disconnects. */
  async close(): Promise<void> {
    await this.reconnect();
    const [connection] = this.connections;
    for (const name of [benchNamespace, listNamespace]) {
      await connection!.request({ method: 'DELETE', path: `${podsPath(name)}?gracePeriodSeconds=0` });
      await connection!.request(deletion(`/api/v1/namespaces/${name}`));
    }
    for (const one of this.connections) one.close();
  }

  async #makeNamespace(name: string): Promise<void> {
    const [connection] = this.connections;
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const answer = await connection!.request({ method: 'POST', path: '/api/v1/namespaces', body });
    if (answer.status === 409)
      throw new Error(`Cannot run the benchmark as namespace ${name} exists: delete it or wait until it is gone`);
    if (answer.status >= 300) throw new Error(`Cannot create namespace ${name}: ${answer.status} ${answer.body}`);
    await this.#waitForAccount(name);
  }

  /** Pods may be refused until the namespace has its service account. */
  async #waitForAccount(namespace: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
    for (let waitedMs = 0; waitedMs < drainMs / 2; waitedMs += 20) {
      if ((await this.connections[0]!.request({ method: 'GET', path })).status === 200) return;
      await sleep(clock, 20);
    }
  }

  /** How much must be added to a pod for it to be served with `podBytes`. */
  async #measurePadding(): Promise<number> {
    const answer = await this.connections[0]!.request(this.creation('size'));
    if (answer.status >= 300) throw new Error(`Cannot create a pod: ${answer.status} ${answer.body}`);
    return Math.max(0, podBytes - answer.bodyBytes);
  }
}

/** The path of a pod of the benchmark. */
export function podPath(name: string): string {
  return `${podsPath(benchNamespace)}/${name}`;
}

/** Deletes at once, without a grace period. */
export function deletion(path: string): Request {
  return { method: 'DELETE', path, body: '{"gracePeriodSeconds":0}' };
}
