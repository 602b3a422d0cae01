/**
 * One HTTPS connection that does one request at a time, with as little work as a client can do: requests are text, answers are
 * only parsed as far as their end has to be found. So that a benchmark measures the server and not its own client.
 */
import type { OnReadOpts } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Answer, AnswerParser } from './answer-parser.ts';
import type { Target } from './kubeconfig.ts';

/** A request as text; `path` with its query. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  /** Default: `application/json`. */
  readonly contentType?: string;
  readonly keepBody?: boolean;
}

/** What has been read last, of all connections: it is looked at before anything else is read. */
const received = Buffer.allocUnsafeSlow(256 * 1024);

/** An open connection. A request must be answered before the next is made; all requests fail once it is closed. */
export class Connection {
  readonly #socket: TLSSocket;
  readonly #host: string;
  readonly #authorization: string;
  readonly #parser: AnswerParser;
  #reject: ((error: Error) => void) | undefined;

  private constructor(socket: TLSSocket, parser: AnswerParser, target: Target) {
    this.#socket = socket;
    this.#parser = parser;
    this.#host = target.url.host;
    this.#authorization = target.token === undefined ? '' : `authorization: Bearer ${target.token}\r\n`;
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('The server closed the connection')));
  }

  static open(target: Target): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const { url, ca, cert, key } = target;
      const parser = new AnswerParser();
      const onread: OnReadOpts = {
        buffer: received,
        callback: (length) => {
          parser.receive(received.subarray(0, length));
          return true;
        },
      };
      // The types of TLS do not tell of `onread`, which it hands on.
      const options: ConnectionOptions & { readonly onread: OnReadOpts } = {
        onread,
        host: url.hostname,
        port: Number(url.port || 443),
        ALPNProtocols: ['http/1.1'],
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
      };
      const socket = connect(options);
      socket.setNoDelay(true);
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket, parser, target));
      });
    });
  }

  /** Sends a request; the one before must have been answered. `onBody` is given the answer's body as it comes, in memory that is used again. */
  request(request: Request, onBody?: (piece: Buffer) => void): Promise<Answer> {
    const { method, path, body, contentType = 'application/json', keepBody = false } = request;
    const entity =
      body === undefined ? '' : `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise<Answer>((resolve, reject) => {
      this.#reject = reject;
      this.#parser.expect({ keepBody, onAnswer: resolve, ...(onBody && { onBody }) });
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${this.#authorization}${entity}\r\n${body ?? ''}`,
      );
    });
  }

  /** Reads no more: what the server has still to send waits there. */
  pause(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#reject = undefined;
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#reject?.(error);
    this.#reject = undefined;
  }
}
