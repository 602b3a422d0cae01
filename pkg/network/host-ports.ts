/**
 * Ports of the node that lead to pods. Contract only; `loopback/` implements it without privileges.
 *
 * Laws:
 * 1. `publish` makes the ports of an owner lead to its addresses, those of one family to the address of the same. What cannot be done for one port is returned and does not keep the others from
 *    being done; called again, it tries again what failed and leaves alone what answers. Calls for one owner do not overlap.
 * 2. Of two owners that want the same port the first keeps it until it withdraws.
 * 3. After `withdraw` no new connection is taken; those that were made end with the pod. `withdraw` of an unknown owner does nothing.
 * 4. After `close` has resolved nothing is left: no listener, no connection, no timer.
 */

/** One port of a container that the node has too. */
export interface HostPort {
  readonly protocol: 'SCTP' | 'TCP' | 'UDP';
  /** `''`, `0.0.0.0` and `::` stand for the node's own address. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
}

/** A port that could not be published. */
export interface HostPortFailure {
  readonly port: HostPort;
  /** One sentence for people, without a full stop. */
  readonly message: string;
}

/** Whose ports they are. */
export interface PublishedPod {
  /** Of the pod, its first one first. */
  readonly addresses: readonly string[];
  readonly ports: readonly HostPort[];
}

/** The host ports of one node; see the laws above. */
export interface HostPorts {
  publish(owner: string, pod: PublishedPod): Promise<readonly HostPortFailure[]>;
  withdraw(owner: string): Promise<void>;
  close(): Promise<void>;
}
