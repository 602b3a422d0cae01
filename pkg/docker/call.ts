/** One request of Docker's API, and the forms that its answer may have: JSON, lines of JSON, bytes, or the connection itself as a stream both ways. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import { isObject } from '#pkg/apimachinery/json.ts';
import { DockerError } from './docker-error.ts';

/** Of a body that is JSON: settings of a container. What is larger is refused. */
const jsonBytesMax = 4 << 20;

/** The type of streams without a terminal's. Source: Docker Engine API, "Attach to a container". */
const rawStream = 'application/vnd.docker.raw-stream';

/** A connection whose client asked to have it for itself. */
export interface Upgrade {
  readonly socket: Duplex;
  /** What has come after the request's head. */
  readonly head: Buffer;
}

/** What was asked. */
export interface CallOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Parts of the path, by their names in the route. */
  readonly names: Readonly<Record<string, string>>;
  readonly upgrade?: Upgrade | undefined;
}

/** A stream both ways. */
export interface TwoWay {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  /** Hands over what comes, piece by piece, and its end. A client that has not asked for the connection sends nothing. */
  receive(taker: { write(bytes: Uint8Array): Promise<void>; end(): void }): void;
}

/** One call. */
export class Call {
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #names: Readonly<Record<string, string>>;
  readonly #upgrade: Upgrade | undefined;
  readonly #gone = new AbortController();

  constructor({ request, response, query, names, upgrade }: CallOptions) {
    this.request = request;
    this.response = response;
    this.query = query;
    this.#names = names;
    this.#upgrade = upgrade;
    (upgrade?.socket ?? response).once('close', () => this.#gone.abort());
  }

  /** Aborted once the client has gone or was answered. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** A part of the path. */
  name(key: string): string {
    return this.#names[key] ?? '';
  }

  /** A parameter of the query; empty where it is not there. */
  text(key: string): string {
    return this.query.get(key) ?? '';
  }

  /** Whether a parameter is set. Source: Docker's `httputils.BoolValue`. */
  flag(key: string): boolean {
    return !['', '0', 'no', 'false', 'none'].includes(this.text(key).trim().toLowerCase());
  }

  /** A whole number of the query, or undefined. Throws 400 for what is none. */
  number(key: string): number | undefined {
    const said = this.text(key);
    if (said === '') return undefined;
    if (!/^-?\d{1,15}$/.test(said)) throw new DockerError(400, `invalid value "${said}" for ${key}`);
    return Number(said);
  }

  /** The filters of a list, such as `{"label":["a=b"]}`, by their names. Throws 400 for what is not known here. */
  filters(known: readonly string[]): ReadonlyMap<string, readonly string[]> {
    const said = this.text('filters');
    const value = said === '' ? {} : parsed(said);
    return new Map(
      Object.entries(value).map(([key, wanted]) => {
        if (!known.includes(key)) throw new DockerError(400, `Invalid filter '${key}'`);
        // Clients of before 1.22 send sets as objects, and some still do.
        return [key, Array.isArray(wanted) ? wanted.map(String) : isObject(wanted) ? Object.keys(wanted) : []];
      }),
    );
  }

  /** The body as an object; an empty one where there is none. */
  async json(): Promise<Readonly<Record<string, unknown>>> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of this.body()) {
      bytes += chunk.length;
      if (bytes > jsonBytesMax) throw new DockerError(413, 'request body too large');
      chunks.push(chunk);
    }
    return bytes === 0 ? {} : parsed(Buffer.concat(chunks).toString());
  }

  /** The body's bytes; also of a request that asks for the connection, which comes after it. */
  body(): AsyncIterable<Uint8Array> {
    return this.request;
  }

  send(status: number, value: unknown): void {
    const text = `${JSON.stringify(value)}\n`;
    this.response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    this.response.end(text);
  }

  done(status = 204): void {
    this.response.writeHead(status);
    this.response.end();
  }

  /** Begins an answer of values that come one after the other, told at once. */
  lines(): { readonly write: (value: unknown) => void; readonly end: () => void } {
    this.response.writeHead(200, { 'content-type': 'application/json' });
    this.response.flushHeaders();
    return {
      write: (value) => void this.response.write(`${JSON.stringify(value)}\r\n`),
      end: () => void this.response.end(),
    };
  }

  /** Sends bytes at the pace of their reader. */
  async bytes(type: string, chunks: AsyncIterable<Uint8Array>, headers: Readonly<Record<string, string>> = {}) {
    this.response.writeHead(200, { 'content-type': type, ...headers });
    this.response.flushHeaders();
    for await (const chunk of chunks) {
      if (this.signal.aborted) break;
      await this.#sent(chunk);
    }
    this.response.end();
  }

  /** Makes the connection a stream. */
  stream(): TwoWay {
    const upgrade = this.#upgrade;
    if (upgrade === undefined) {
      this.response.writeHead(200, { 'content-type': rawStream });
      this.response.flushHeaders();
      return {
        write: (bytes) => this.#sent(bytes),
        end: () => void this.response.end(),
        receive: () => {},
      };
    }
    const { head, socket } = upgrade;
    socket.write(`HTTP/1.1 101 UPGRADED\r\nContent-Type: ${rawStream}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
    return {
      write: (bytes) => written(socket, bytes),
      end: () => void socket.end(),
      receive: (taker) => receive(socket, head, taker),
    };
  }

  async #sent(bytes: Uint8Array): Promise<void> {
    await written(this.response, bytes);
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DockerError(400, `invalid JSON: ${error instanceof Error ? error.message : ''}`, error);
  }
  if (!isObject(value)) throw new DockerError(400, 'invalid JSON: an object is expected');
  return value;
}

/** Writes, and waits while the other side does not read; what is written to who has gone is lost. */
async function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  if (stream.destroyed || stream.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      stream.off('drain', go);
      stream.off('close', go);
      resolve();
    };
    stream.once('drain', go);
    stream.once('close', go);
  });
}

function receive(socket: Duplex, first: Buffer, taker: { write(bytes: Uint8Array): Promise<void>; end(): void }): void {
  const take = (bytes: Buffer): void => {
    socket.pause();
    void taker.write(bytes).then(() => socket.resume());
  };
  socket.on('data', take);
  socket.once('end', () => taker.end());
  if (first.length > 0) take(first);
  else socket.resume();
}
