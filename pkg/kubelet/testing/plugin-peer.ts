/** A plugin in a process of its own, as a test holds it: it says what is answered, and sees what was asked. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';

/** What a plugin serves where, and what it answers at first; nothing else than empty messages otherwise. */
export interface PeerPlan {
  readonly sockets: readonly { readonly socketPath: string; readonly names: readonly string[] }[];
  readonly answers: Readonly<Record<string, object>>;
  /** The folder or device that it shows as the volume, which it mounts. Default: a new folder with a file in it. */
  readonly shows?: string;
  /** What it says against calls at first. */
  readonly refusals?: Readonly<Record<string, string>>;
}

/** What the test tells the plugin. */
export type ToPeer =
  | {
      readonly kind: 'answer';
      readonly method: string;
      readonly response?: object;
      readonly error?: string;
      readonly code?: number;
      readonly isSilent?: true;
    }
  | {
      readonly kind: 'ask';
      readonly id: number;
      readonly socketPath: string;
      readonly service: string;
      readonly method: string;
      readonly request: object;
    }
  | { readonly kind: 'push'; readonly method: string; readonly response: object };

/** What the plugin tells the test. */
export type FromPeer =
  | { readonly kind: 'answer'; readonly id: number; readonly response?: object; readonly error?: string }
  | { readonly kind: 'call'; readonly method: string; readonly request: object }
  | { readonly kind: 'ready' };

/** A call that the plugin got. */
export interface PeerCall {
  readonly method: string;
  readonly request: object;
}

/** A plugin that runs. */
export class PluginPeer {
  /** All calls that it got, in their order. */
  readonly calls: PeerCall[] = [];
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, (answer: Extract<FromPeer, { kind: 'answer' }>) => void>();
  #ids = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts one; it ends with the test. */
  static async start(plan: PeerPlan): Promise<PluginPeer> {
    const child = fork(join(import.meta.dirname, 'plugin-peer-process.ts'), [JSON.stringify(plan)], {
      // What it says of itself is only of use where it fails.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const peer = new PluginPeer(child);
    onTestFinished(() => peer.stop());
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the plugin has ended with ${code}`)));
      child.on('message', (message: FromPeer) => {
        if (message.kind === 'ready') resolve();
        else peer.#take(message);
      });
    });
    return peer;
  }

  /** Requests of the calls of a method. */
  requests(method: string): readonly object[] {
    return this.calls.filter((call) => call.method === method).map(({ request }) => request);
  }

  /** Resolves once that many calls of a method have come, with their requests. */
  async called(method: string, count = 1): Promise<readonly object[]> {
    await expect.poll(() => this.requests(method).length, { interval: 20 }).toBeGreaterThanOrEqual(count);
    return this.requests(method);
  }

  /** Resolves once it has been told so often that it is registered. That it could not be, and is tried again, does not count. */
  async registered(count = 1): Promise<void> {
    const told = () =>
      this.requests('NotifyRegistrationStatus').filter((request) => 'registered' in request && request.registered);
    await expect.poll(() => told().length, { interval: 20 }).toBeGreaterThanOrEqual(count);
  }

  /** From now on. */
  answer(method: string, response: object): void {
    this.#send({ kind: 'answer', method, response });
  }

  /** From now on. */
  refuse(method: string, error: string, code = 13): void {
    this.#send({ kind: 'answer', method, error, code });
  }

  /** From now on it does not answer. */
  silence(method: string): void {
    this.#send({ kind: 'answer', method, isSilent: true });
  }

  /** On the streams of a method that are open, and first on those that will be. */
  push(method: string, response: object): void {
    this.#send({ kind: 'push', method, response });
  }

  /** Has it call somebody else, once that one is there. Rejects with what that one says against it. */
  async ask(socketPath: string, service: string, method: string, request: object = {}): Promise<object> {
    await expect.poll(() => existsSync(socketPath), { interval: 20 }).toBe(true);
    const id = ++this.#ids;
    const answered = new Promise<Extract<FromPeer, { kind: 'answer' }>>((resolve) => this.#asked.set(id, resolve));
    this.#send({ kind: 'ask', id, socketPath, service, method, request });
    const { error, response = {} } = await answered;
    if (error !== undefined) throw new Error(error);
    return response;
  }

  /** Ends it, as a crash does: its sockets stay. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    await ended;
  }

  #take(message: Extract<FromPeer, { kind: 'answer' | 'call' }>): void {
    if (message.kind === 'call') this.calls.push(message);
    else {
      this.#asked.get(message.id)?.(message);
      this.#asked.delete(message.id);
    }
  }

  #send(message: ToPeer): void {
    this.#child.send(message);
  }
}
