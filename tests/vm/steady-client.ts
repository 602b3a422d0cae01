/**
 * A client that asks a server all the time, one question after the other, and sees what somebody who waits for the answers sees: how long the longest took, what went
 * wrong, and how many connections it took. It does little itself, so that what it waits for is the server.
 */
import { connect, type Socket } from 'node:net';

/** Whom a client asks, and how. */
export interface SteadyOptions {
  readonly host: string;
  readonly port: number;
  /** Each question over a connection of its own; otherwise all over one. */
  readonly isFresh?: boolean;
}

/** What a client has seen. */
export interface Seen {
  readonly answers: number;
  readonly problems: readonly string[];
  /** Connections that it has made. */
  readonly connections: number;
}

/** One client. It stops by itself with the first problem: a connection that is not to be closed and is, an answer other than good. */
export class SteadyClient {
  readonly #options: SteadyOptions;
  readonly #question: string;
  readonly #problems: string[] = [];
  readonly #running: Promise<void>;
  #socket: Socket | undefined;
  /** Told what came of the question that is open. */
  #answered: (problem: string | undefined) => void = () => undefined;
  #answers = 0;
  #connections = 0;
  #longestMs = 0;
  #goesOn = true;

  constructor(options: SteadyOptions) {
    this.#options = options;
    const { host, port, isFresh } = options;
    const kept = isFresh === true ? 'close' : 'keep-alive';
    this.#question = `GET /healthz HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: ${kept}\r\n\r\n`;
    this.#running = this.#run();
  }

  get seen(): Seen {
    return { answers: this.#answers, problems: this.#problems, connections: this.#connections };
  }

  /** Milliseconds that the slowest answer took since this was asked the last time. */
  takeLongestMs(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  /** Asks no more; resolves to what it has seen. */
  async stop(): Promise<Seen> {
    this.#goesOn = false;
    await this.#running;
    this.#socket?.destroy();
    return this.seen;
  }

  async #run(): Promise<void> {
    while (this.#goesOn && this.#problems.length === 0) await this.#ask();
  }

  async #ask(): Promise<void> {
    const beganMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#answered = resolve;
    this.#socket ??= this.#connect();
    this.#socket.write(this.#question);
    const problem = await promise;
    const tookMs = performance.now() - beganMs;
    if (problem !== undefined) {
      this.#problems.push(`${problem} after ${tookMs.toFixed(0)} ms, answer ${this.#answers}`);
      return;
    }
    this.#answers++;
    this.#longestMs = Math.max(this.#longestMs, tookMs);
    if (this.#options.isFresh !== true) return;
    this.#socket.end();
    this.#socket = undefined;
  }

  #connect(): Socket {
    const { host, port } = this.#options;
    this.#connections++;
    const socket = connect({ host, port, noDelay: true });
    const told = (problem: string | undefined): void => {
      if (this.#socket === socket) this.#answered(problem);
    };
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      text += piece;
      if (!isWhole(text)) return;
      told(text.startsWith('HTTP/1.1 200 ') ? undefined : `the answer ${JSON.stringify(text.slice(0, 40))}`);
      text = '';
    });
    socket.on('error', ({ message }) => told(message));
    socket.on('close', () => told('the connection was closed'));
    return socket;
  }
}

/** A head and as many bytes as it says. */
function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  return length !== undefined && text.length >= end + 4 + Number(length);
}
