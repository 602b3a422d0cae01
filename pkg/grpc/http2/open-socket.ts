/** Sockets to servers that speak HTTP/2. */
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { getBuiltinModule } from 'node:process';
import type { ConnectionOptions } from 'node:tls';

/** PEM texts for `https`: the authority of the server (default: those that Node trusts), and the certificate and key to show it. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where the server is. */
export interface SocketAddress {
  /** `http://127.0.0.1:2379`. */
  readonly endpoint: string;
  readonly tls?: ClientTls | undefined;
  /** A Unix socket to connect to, in place of the endpoint's address. */
  readonly socketPath?: string | undefined;
}

/** What is done with what is read: a chunk is there until this returns, and then others are in its place. */
export interface SocketReader {
  readonly onChunk: (chunk: Buffer) => void;
}

/** What was read last, of all sockets: Node would else take as much for each read, however little comes. */
const received = Buffer.allocUnsafeSlow(64 * 1024);

/** A socket that connects. */
export interface ConnectingSocket {
  readonly socket: Socket;
  /** The event that says that it is connected. */
  readonly connectEvent: 'connect' | 'secureConnect';
}

/** Connects; whether it comes to something is told by events. Throws for an endpoint that is no URL. */
export function openSocket({ endpoint, tls, socketPath, onChunk }: SocketAddress & SocketReader): ConnectingSocket {
  const { protocol, hostname, port } = new URL(endpoint);
  const onread: OnReadOpts = {
    buffer: received,
    callback: (length) => {
      onChunk(received.subarray(0, length));
      return true;
    },
  };
  if (socketPath !== undefined) return { socket: connect({ path: socketPath, onread }), connectEvent: 'connect' };
  // As a URL has it, an IPv6 address is in brackets.
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  if (protocol === 'http:') {
    const socket = connect({ host, port: Number(port || 80), noDelay: true, onread });
    return { socket, connectEvent: 'connect' };
  }
  // The types of TLS do not tell of `onread`, which it hands on.
  const options: ConnectionOptions & { readonly onread: OnReadOpts } = {
    ...tls,
    host,
    port: Number(port || 443),
    ALPNProtocols: ['h2'],
    onread,
    ...(isIP(host) === 0 && { servername: host }),
  };
  // Loaded by the first connection that needs it.
  const socket = getBuiltinModule('node:tls').connect(options);
  socket.setNoDelay(true);
  return { socket, connectEvent: 'secureConnect' };
}
