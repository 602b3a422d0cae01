/**
 * A client that asks a server all the time, one question after the other, and sees what somebody who waits for the answers sees: how long the longest took, what went
 * wrong, and how many connections it took.
 */
import { Agent, get } from 'node:http';
import type { Socket } from 'node:net';

/** Whom a client asks, and how. */
interface SteadyOptions {
  readonly host: string;
  readonly port: number;
  /** Each question over a connection of its own; otherwise all over one. */
  readonly isFresh?: boolean;
}

/** What a client has seen. */
interface Seen {
  readonly answers: number;
  readonly problems: readonly string[];
  /** Connections that it has made. */
  readonly connections: number;
}

/** One client. It stops by itself with the first problem. */
export class SteadyClient {
  readonly #options: SteadyOptions;
  readonly #agent: Agent;
  readonly #sockets = new Set<Socket>();
  readonly #problems: string[] = [];
  readonly #running: Promise<void>;
  #answers = 0;
  #longestMs = 0;
  #goesOn = true;

  constructor(options: SteadyOptions) {
    this.#options = options;
    this.#agent = new Agent({ keepAlive: options.isFresh !== true, maxSockets: 1 });
    this.#running = this.#run();
  }

  get seen(): Seen {
    return { answers: this.#answers, problems: this.#problems, connections: this.#sockets.size };
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
    this.#agent.destroy();
    return this.seen;
  }

  async #run(): Promise<void> {
    while (this.#goesOn && this.#problems.length === 0) await this.#ask();
  }

  #ask(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve) => {
      const beganMs = performance.now();
      const fail = (problem: string): void => {
        this.#problems.push(`${problem} after ${(performance.now() - beganMs).toFixed(0)} ms, answer ${this.#answers}`);
        resolve();
      };
      const request = get({ host, port, path: '/healthz', agent: this.#agent }, (answer) => {
        answer.resume();
        answer.on('end', () => {
          if (answer.statusCode !== 200) fail(`status ${answer.statusCode}`);
          this.#answers++;
          this.#longestMs = Math.max(this.#longestMs, performance.now() - beganMs);
          resolve();
        });
        answer.on('error', (error) => fail(error.message));
      });
      request.on('socket', (socket) => this.#sockets.add(socket));
      request.on('error', (error) => fail(error.message));
    });
  }
}
