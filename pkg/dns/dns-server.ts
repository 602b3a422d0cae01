/**
 * Listens for questions by UDP and TCP on one address. Invariant: after `close` nothing is open. Who connects and says nothing, or does not read, is let go;
 * so is the one silent longest when there are too many.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import type { Answerer } from './answerer.ts';

/** How long a TCP connection may be silent. Source: CoreDNS, idle timeout of TCP. */
const idleMs = 10_000;
/** TCP connections at once; a further one ends the one silent longest. */
const connectionsMax = 256;
/** Bytes that wait for a reader before no more of its questions are taken. */
const unreadBytesMax = 128 * 1024;
/** Questions of one connection that wait for others before no more of them are taken; what came with the last of them still counts. */
const openMax = 64;

/** Where to listen. */
export interface DnsServerOptions {
  readonly answerer: Pick<Answerer, 'answer'>;
  readonly address: string;
  readonly port: number;
  readonly clock: Clock;
}

/** A server that listens. */
export interface DnsServer {
  readonly address: string;
  /** That was taken, where any was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

/** Listens; rejects with the system's error where it cannot. */
export async function serveDns(options: DnsServerOptions): Promise<DnsServer> {
  const tcp = await listenTcp(options);
  const bound = tcp.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  try {
    const udp = await listenUdp({ ...options, port });
    return {
      address: options.address,
      port,
      close: async () => {
        await Promise.all([new Promise<void>((resolve) => udp.close(() => resolve())), tcp.close()]);
      },
    };
  } catch (error) {
    await tcp.close();
    throw error;
  }
}

function listenUdp({ answerer, address, port }: DnsServerOptions): Promise<UdpSocket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message, from) => {
    const answer = answerer.answer(message, 'udp');
    if (answer instanceof Promise) void answer.then((bytes) => reply(socket, bytes, from));
    else if (answer !== undefined) reply(socket, answer, from);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.off('error', reject);
      // What cannot be sent is the asker's loss: it asks again.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

function reply(socket: UdpSocket, bytes: Buffer, from: RemoteInfo): void {
  try {
    socket.send(bytes, from.port, from.address);
  } catch {
    // Closed meanwhile.
  }
}

async function listenTcp(options: DnsServerOptions): Promise<{ readonly server: Server; close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    for (const oldest of open) {
      if (open.size < connectionsMax) break;
      oldest.destroy();
      open.delete(oldest);
    }
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    serveConnection(socket, options, () => {
      // The one that was heard last is the last to go.
      if (open.delete(socket)) open.add(socket);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Answers each message of a connection in the order in which they came. Source: RFC 1035, 4.2.2; RFC 7766. */
function serveConnection(socket: Socket, { answerer, clock }: DnsServerOptions, onHeard: () => void): void {
  let received: Buffer = Buffer.alloc(0);
  let last: Promise<void> = Promise.resolve();
  let open = 0;
  const goOn = (): void => {
    if (open < openMax && socket.writableLength <= unreadBytesMax) socket.resume();
  };
  let timer = clock.setTimeout(() => socket.destroy(), idleMs);
  socket.on('close', () => timer.cancel());
  socket.on('data', (chunk: Buffer) => {
    timer.cancel();
    timer = clock.setTimeout(() => socket.destroy(), idleMs);
    onHeard();
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const message = received.subarray(2, end);
      received = received.subarray(end);
      const answer = answerer.answer(message, 'tcp');
      if (answer === undefined) {
        socket.destroy();
        return;
      }
      open++;
      last = last.then(async () => {
        write(socket, await answer);
        open--;
        if (socket.isPaused()) goOn();
      });
    }
    if (open >= openMax || socket.writableLength > unreadBytesMax) socket.pause();
  });
  socket.on('drain', goOn);
}

function write(socket: Socket, bytes: Buffer): void {
  if (socket.destroyed) return;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  socket.write(Buffer.concat([length, bytes]));
}
