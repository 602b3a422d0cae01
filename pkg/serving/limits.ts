/**
 * Every limit of the way in, each with its reason, in one place. What is beyond one is closed or refused, never kept; others go on.
 * A server takes what differs from these by its options.
 */

/** Bytes of a long body that are made, encrypted and written at a time: encrypting all at once takes several times its memory, and longer. */
export const sliceBytes = 256 * 1024;

/** Milliseconds, bytes and counts of one server. */
export interface ServingLimits {
  /** From the start of a connection to the end of its TLS handshake. Then it is destroyed. */
  readonly handshakeMs: number;
  /**
   * From the start of a connection, or the first byte of a later request, to the end of that request's head. Then it is destroyed, as nothing
   * was asked. Source: kube-apiserver `ReadHeaderTimeout`.
   */
  readonly headMs: number;
  /**
   * From the moment a body is wanted to its end: `bodyLeastMs`, and what its bytes take at `bodyBytesPerSecond`, but not more than `bodyMs`. Then the
   * request gets 408. Source of the last: kube-apiserver `--request-timeout`.
   */
  readonly bodyMs: number;
  readonly bodyLeastMs: number;
  readonly bodyBytesPerSecond: number;
  /** Between two requests of a connection: longer than clients keep theirs, so that it is they who close it. */
  readonly idleMs: number;
  /**
   * Without a byte taken by a client that has bytes to take. A person who pages through a log reads nothing for minutes, so whoever is known
   * gets long; what waits for one is at most a slice and what its kernel holds.
   */
  readonly stalledMs: number;
  readonly stalledUnknownMs: number;
  /**
   * What may wait for readers that have taken nothing for `stalledUnknownMs`, of all connections together. Of more, those who have stalled longest
   * are cut off at once. Some hundred that hold the most that one can.
   */
  readonly stalledBytesMax: number;
  /**
   * After an answer, for an unknown or unauthorized client to read it while what it still sends is thrown away: a way there and back to the other side
   * of the world. Go has 500 ms (`rstAvoidanceDelay`), in a thread of its own.
   */
  readonly lingerMs: number;
  /** Connections that linger so; of more the oldest is closed at once, as each holds what its client has sent so far. */
  readonly lingeringMax: number;
  /** The same for clients with a right to be here, most of whom look at the answer only once they have sent everything. */
  readonly discardMs: number;
  /** What is thrown away at most of what is still sent, for the former and the latter. Beyond it the connection is closed. Source: Go `maxPostHandlerReadBytes`. */
  readonly lingerBytes: number;
  readonly discardBytes: number;
  /** For answers under way to end once the server stops. Then connections are destroyed. */
  readonly stopMs: number;
  /** Largest request line with headers, as long selectors are part of it. More gets 431. Source: Go `DefaultMaxHeaderBytes`. */
  readonly headBytesMax: number;
  /** Of a head from a client that is not known yet, once it takes longer than a second to come. Ordinary heads have under 4 KiB. */
  readonly slowHeadBytesMax: number;
  /** Connections at once. A new one takes the place of one that is not known, or is closed. */
  readonly connectionsMax: number;
  /** Of these, those on which nobody has been authenticated. The oldest that is not being answered gives way to a new one. */
  readonly unknownMax: number;
  /** Requests at once of one connection of HTTP/2; further ones are refused, to be asked again. 0: no HTTP/2. Source: apiserver `secure_serving.go`. */
  readonly streamsMax: number;
  /** A body up to this length goes into the room for small ones, and takes room like a large one only once it has kept the server waiting. */
  readonly smallBodyBytes: number;
  /** Small bodies that are read and answered at once, whoever sends them: thousands of ordinary ones. Of more each takes room like a large one. */
  readonly smallBodiesBytesMax: number;
  /**
   * Larger bodies of all requests that are read and answered at once. Each costs many times its length until it is stored, and holds up everybody
   * else while it is decoded, so two or three at once are as fast as two hundred.
   */
  readonly bodiesBytesMax: number;
  /** Of these, those of one client. */
  readonly shareBytesMax: number;
  /** Requests that wait for room for their bodies, which are not read yet; half of them one client's at most. More get 429. */
  readonly waitingMax: number;
  /** How long one waits. Then it gets 429. Half of what clients wait for an answer. */
  readonly waitMs: number;
}

const mebibyte = 1024 * 1024;

/** Those of a server that is not told otherwise. */
export const defaultLimits: ServingLimits = {
  handshakeMs: 10_000,
  headMs: 32_000,
  bodyMs: 60_000,
  bodyLeastMs: 10_000,
  bodyBytesPerSecond: 64 * 1024,
  idleMs: 180_000,
  stalledMs: 300_000,
  stalledUnknownMs: 10_000,
  stalledBytesMax: 32 * mebibyte,
  lingerMs: 300,
  lingeringMax: 128,
  discardMs: 10_000,
  lingerBytes: 256 * 1024,
  discardBytes: 64 * mebibyte,
  stopMs: 2_000,
  headBytesMax: mebibyte,
  slowHeadBytesMax: 16 * 1024,
  connectionsMax: 10_000,
  unknownMax: 2_500,
  streamsMax: 100,
  smallBodyBytes: 64 * 1024,
  smallBodiesBytesMax: 24 * mebibyte,
  bodiesBytesMax: 12 * mebibyte,
  shareBytesMax: 6 * mebibyte,
  waitingMax: 1_000,
  waitMs: 30_000,
};

/** Most connections of one server on a machine that allows any number of descriptors. */
const connectionsCeiling = 20_000;

/**
 * How many connections a server may have in a process that may have so many descriptors: half, as the store, logs, and the connections to pods and
 * other servers are not to run out by what clients do.
 */
export function connectionLimits(descriptors: number): Pick<ServingLimits, 'connectionsMax' | 'unknownMax'> {
  const connectionsMax = Math.max(32, Math.min(connectionsCeiling, Math.floor(descriptors / 2)));
  return { connectionsMax, unknownMax: Math.max(16, Math.floor(connectionsMax / 4)) };
}
