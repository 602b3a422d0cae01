/**
 * Liveness by a connection: a process holds open whatever connection comes, and whoever has one sees it end with the process, as the system closes
 * it then, whatever killed it. The first line says who it is, so that another program at the port is not taken for it.
 *
 * Invariant: a process is said to have ended only after it was seen alive on a connection, which then was closed from its end, and where it was there is
 * nobody now. It closes none itself until it ends. Nothing that ends connections of others may stand between: through such, an election has no beacon.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Liveness, WatchedHolder } from '#pkg/client/liveness.ts';

/** Connections held at once: the other candidates, of which there are few. What comes beyond is closed unanswered, and then nobody learns by it. */
const connectionsMax = 64;

/**
 * How long the other end may take to say who it is; where it does not, nothing is known. A candidate that has not seen the leader alive before that ends
 * waits until the Lease runs out, so one that is slow is given time.
 */
const answerMsMax = 5_000;
/** The same once a connection to it has ended: then it is gone, or there is nobody to answer. */
const againMsMax = 500;

/** Between two tries to reach somebody who does not answer. */
const retryMs = 2_000;

/** Longest first line: an identity is a host's name and an id. */
const lineMax = 512;

/** Who the process is, and where it can be reached. */
export interface BeaconOptions {
  readonly clock: Clock;
  readonly identity: string;
  /** Address to listen on, at any free port. */
  readonly host: string;
  /** Address at which others reach that. */
  readonly advertised: string;
}

/** A beacon, until it is closed: then this process has ended for all who watch it. */
export interface Beacon extends Liveness {
  close(): Promise<void>;
}

/** Listens; rejects with the system's error when the address cannot be had. */
export async function openBeacon(options: BeaconOptions): Promise<Beacon> {
  const { clock, identity, host, advertised } = options;
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    if (open.size >= connectionsMax) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // Nothing is read but the end.
    socket.resume();
    socket.unref();
    socket.write(`${identity}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
  server.unref();
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    address: `${advertised}:${port}`,
    ended: (holder, signal) => hasEnded({ ...holder, clock }, signal),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

interface Watched extends WatchedHolder {
  readonly clock: Clock;
}

async function hasEnded(watched: Watched, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    let seen = await look(watched, signal, answerMsMax);
    while (seen.how === 'alive') {
      watched.onSeen?.();
      const closed = await seen.closed;
      if (signal.aborted) return false;
      seen = await look(watched, signal, againMsMax);
      if (seen.how === 'gone' || (seen.how === 'unknown' && closed === 'ended' && !signal.aborted)) return true;
    }
    await sleep(watched.clock, retryMs, signal);
  }
  return false;
}

/** What a look shows: the process, on a connection that is held until it ends; that it is not where it was; or nothing that could be relied on. */
type Seen =
  | { readonly how: 'alive'; readonly closed: Promise<'broken' | 'ended'> }
  | { readonly how: 'gone' }
  | { readonly how: 'unknown' };

/** Connects, and resolves once the other end has said who it is or is known not to. Aborted, it is not known. */
function look({ clock, address, identity }: Watched, signal: AbortSignal, withinMs: number): Promise<Seen> {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (!(port > 0 && port < 65_536)) return Promise.resolve({ how: 'unknown' });
  return new Promise((resolve) => {
    const socket = createConnection({ host: address.slice(0, colon), port });
    socket.unref();
    socket.setKeepAlive(true, retryMs);
    const give = (seen: Seen): void => {
      timer.cancel();
      if (seen.how !== 'alive') socket.destroy();
      resolve(seen);
    };
    const timer = clock.setTimeout(() => give({ how: 'unknown' }), withinMs);
    const onAbort = (): void => {
      socket.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    let how: 'broken' | 'ended' = 'broken';
    const closed = new Promise<'broken' | 'ended'>((done) => {
      socket.on('close', () => {
        signal.removeEventListener('abort', onAbort);
        give({ how: 'unknown' });
        done(how);
      });
    });
    socket.on('end', () => {
      how = 'ended';
    });
    socket.on('error', (error) => {
      how = 'broken';
      if ('code' in error && error.code === 'ECONNREFUSED') give({ how: 'gone' });
    });
    let line = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      if (line.endsWith('\n')) return;
      line += text;
      if (line === `${identity}\n`) give({ how: 'alive', closed });
      else if (line.includes('\n') || line.length > lineMax) give({ how: 'gone' });
    });
  });
}
