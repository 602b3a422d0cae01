/** A server on a free port of the loopback address, and clients that send bytes as they are. For tests. */
import type { Buffer } from 'node:buffer';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect } from 'node:tls';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { type Clock, SystemClock } from '#pkg/base/clock.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { createHttpsServer } from './https-server.ts';
import type { ServingLimits } from './limits.ts';

/**
 * A certificate that signs itself, good for a hundred years: of the server, of the client, and the authority of both. Its key
 * opens nothing but tests.
 */
export const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBxjCCAW2gAwIBAgIUH7IkGEzfCHtoKCVV9ckpzfu3hEEwCgYIKoZIzj0EAwIw
ODEXMBUGA1UECgwOc3lzdGVtOm1hc3RlcnMxDzANBgNVBAoMBnBlb3BsZTEMMAoG
A1UEAwwDYW5uMCAXDTI2MTEyMjE1NDk0MloYDzIxMjYxMDI5MTU0OTQyWjA4MRcw
FQYDVQQKDA5zeXN0ZW06bWFzdGVyczEPMA0GA1UECgwGcGVvcGxlMQwwCgYDVQQD
DANhbm4wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAREWP/PnLsrLQRU3/NsRCnS
UKHq4afJ72rAHtVB5S1XW2PQDD6uWkY59LWxCvIOFHBzGn8b0ekvInIwHDMyjzQP
o1MwUTAdBgNVHQ4EFgQUyi8rtZ+DCGvi/TUzANoBsx5M4q0wHwYDVR0jBBgwFoAU
yi8rtZ+DCGvi/TUzANoBsx5M4q0wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNHADBEAiBxnKl9u0xK7Ey1R8tOQF2pNNxTI3zr3tkS9xT1yw0ftQIgNu69DHDU
stma7yudai9RYp1yKtFl7fPqJdtMfC1QBvU=
-----END CERTIFICATE-----
`;
export const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBOtWq42TWrTnR/cp
RXIrYbQR0XDSU/1NZpGehGCORSGhRANCAAREWP/PnLsrLQRU3/NsRCnSUKHq4afJ
72rAHtVB5S1XW2PQDD6uWkY59LWxCvIOFHBzGn8b0ekvInIwHDMyjzQP
-----END PRIVATE KEY-----
`;

export interface TestServing {
  readonly port: number;
  readonly connectionCount: number;
  /** Resolves when nothing is left. */
  close(): Promise<void>;
}

export interface TestServingOptions {
  readonly limits?: Partial<ServingLimits>;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly isDirect?: boolean;
}

export async function serveForTest(handler: ApiHandler, options: TestServingOptions = {}): Promise<TestServing> {
  const server = createHttpsServer({
    handler,
    cert: testCertificate,
    key: testKey,
    clientCa: testCertificate,
    clock: options.clock ?? new SystemClock(),
    log: options.log ?? silentLogger,
    limits: options.limits ?? {},
    isDirect: options.isDirect ?? true,
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const running = server.run(stop.signal);
  return {
    port,
    get connectionCount() {
      return server.connectionCount;
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}

const knownPath = '/known';

/** The handler, which knows everybody who asks it. */
export function knowing(handler: ApiHandler): ApiHandler {
  return async (request) => {
    request.peer.identified?.('ann');
    if (request.path === knownPath) return { status: 200, headers: {}, body: { kind: 'empty' } };
    return handler(request);
  };
}

/** Has a server that is `knowing` know who is on a connection. */
export async function introduce(client: RawClient): Promise<void> {
  client.send(`GET ${knownPath} HTTP/1.1\r\nhost: a\r\n\r\n`);
  await client.until(/\r\n\r\n$/);
}

/** A connection with what came by it so far. */
export interface RawClient {
  readonly socket: Socket;
  readonly received: string;
  send(text: string | Uint8Array): void;
  /** Resolves once `pattern` has come. Rejects when the connection ends before. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves with all that came once the connection has ended. */
  ended(): Promise<string>;
}

/** Opens a connection: without TLS where `isPlain`, with the client's certificate where `isKnown`. */
export async function openRaw(
  port: number,
  { isPlain = false, isKnown = false }: { readonly isPlain?: boolean; readonly isKnown?: boolean } = {},
): Promise<RawClient> {
  const identity = isKnown ? { cert: testCertificate, key: testKey } : {};
  const socket = isPlain
    ? connectPlain({ host: '127.0.0.1', port })
    : connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...identity });
  // What is sent first comes first, on whichever connection.
  socket.setNoDelay();
  const client = new RawConnection(socket);
  await new Promise<void>((resolve) => {
    socket.once(isPlain ? 'connect' : 'secureConnect', () => resolve());
    socket.once('close', () => resolve());
  });
  return client;
}

class RawConnection implements RawClient {
  readonly socket: Socket;
  received = '';
  #isEnded = false;
  readonly #listeners = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
      for (const listener of this.#listeners) listener();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isEnded = true;
      for (const listener of this.#listeners) listener();
    });
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  until(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (pattern.test(this.received)) resolve(this.received);
        else if (this.#isEnded) reject(new Error(`The connection ended with ${JSON.stringify(this.received)}`));
        else return;
        this.#listeners.delete(look);
      };
      this.#listeners.add(look);
      look();
    });
  }

  ended(): Promise<string> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#isEnded) resolve(this.received);
      };
      this.#listeners.add(look);
      look();
    });
  }
}
