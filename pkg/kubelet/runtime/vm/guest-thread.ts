/**
 * A guest's thread as the runtime has it. Invariants: it ends once, with an exit code, however it ended; what was asked of it and is not answered by then is
 * refused.
 */
import { connect, type Socket } from 'node:net';
import type { MessagePort, Worker } from 'node:worker_threads';
import { errorText } from '#pkg/base/error-text.ts';
import type { Owner } from '#pkg/vmm/migration/contract.ts';
import { RuntimeError } from '../runtime.ts';
import type { Arrival, Departure, FromGuest, GuestFigures, GuestStart, SavedGuest, ToGuest } from './guest/protocol.ts';

const killedExitCode = 137;

/** How a guest ended. */
export interface GuestEnd {
  readonly exitCode: number;
  readonly message: string;
}

/** What a thread tells. */
export interface GuestThreadEvents {
  console(bytes: Uint8Array): void;
  /** So much input was taken. */
  taken(bytes: number): void;
  ended(end: GuestEnd): void;
  /** Whether the machine is here. */
  presence(isHere: boolean): void;
  /** It asks whose the machine is; `claimed` answers. */
  claim(claim: Extract<FromGuest, { readonly type: 'claim' }>): void;
  migration(news: MigrationNews): void;
}

/** How a migration goes, as one end tells. */
export type MigrationNews = Omit<Extract<FromGuest, { readonly type: 'migration' }>, 'type'>;

/** What a thread is for. */
export interface GuestThreadStart {
  readonly start: GuestStart;
  readonly worker: Worker;
  readonly transfer?: readonly MessagePort[];
}

/** One guest's thread. */
export class GuestThread {
  readonly #worker: Worker;
  readonly #events: GuestThreadEvents;
  readonly #started = Promise.withResolvers<void>();
  readonly #figures = new Map<number, PromiseWithResolvers<GuestFigures>>();
  readonly #saves = new Map<number, PromiseWithResolvers<SavedGuest>>();
  readonly #holds = new Map<number, PromiseWithResolvers<void>>();
  /** Ports that were asked for. */
  readonly #ports = new Map<number, PromiseWithResolvers<number>>();
  #requests = 0;
  #isOver = false;

  /** `worker`: one that runs `guestMain` and has not been told of a machine yet. `transfer`: what of `start` goes there and is nowhere else then. */
  constructor({ start, worker, transfer = [] }: GuestThreadStart, events: GuestThreadEvents) {
    this.#events = events;
    this.#started.promise.catch(() => {});
    this.#worker = worker;
    this.#worker.on('message', (message: FromGuest) => this.#received(message));
    this.#worker.on('error', (error) =>
      this.#end({ exitCode: 1, message: `the machine's thread failed: ${errorText(error)}` }),
    );
    this.#worker.on('exit', () => this.#end({ exitCode: killedExitCode, message: '' }));
    this.#worker.postMessage({ type: 'begin', start } satisfies ToGuest, transfer);
  }

  /** Resolves once the machine runs and its ports are listened on. Rejects when it ends before. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** So many pages are wanted of the guest. */
  inflateTo(pages: number): void {
    this.#send({ type: 'inflate', pages });
  }

  input(bytes: Uint8Array): void {
    this.#send({ type: 'input', bytes });
  }

  /** Has the guest stand still, or go on; resolves when it does. Rejects with `failed` where the machine is not here. */
  hold(isPaused: boolean): Promise<void> {
    const id = this.#requests++;
    return this.#ask(this.#holds, id, { type: 'pause', id, isPaused });
  }

  /** The machine as it is. Rejects with `failed` where it is not here, or on its way. */
  save(): Promise<SavedGuest> {
    const id = this.#requests++;
    return this.#ask(this.#saves, id, { type: 'save', id });
  }

  figures(): Promise<GuestFigures> {
    const id = this.#requests++;
    return this.#ask(this.#figures, id, { type: 'figures', id });
  }

  /** A connection to a port of the guest. Rejects with `failed` where nobody listens. */
  async connect(port: number): Promise<Socket> {
    const id = this.#requests++;
    const own = await this.#ask(this.#ports, id, { type: 'forward', id, port });
    const socket = connect({ host: '127.0.0.1', port: own, allowHalfOpen: true });
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(socket));
      socket.once('error', (error) => reject(new RuntimeError('failed', error.message, error)));
    });
  }

  /** A relay is to end with the last of the connections that it has. */
  retire(): void {
    this.#send({ type: 'retire' });
  }

  /** Waits for a machine; says at which port. */
  receive(arrival: Arrival): Promise<number> {
    const id = this.#requests++;
    return this.#ask(this.#ports, id, { type: 'receive', id, arrival });
  }

  migrate(departure: Departure): void {
    this.#send({ type: 'migrate', departure });
  }

  abort(reason: string): void {
    this.#send({ type: 'abort', reason });
  }

  /** A stand-by is to go on with the machine. */
  takeOver(reason: string): void {
    this.#send({ type: 'take-over', reason });
  }

  claimed(owner: Owner | 'unknown'): void {
    this.#send({ type: 'claimed', owner });
  }

  /** Ends the guest at once. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(message: ToGuest): void {
    if (!this.#isOver) this.#worker.postMessage(message);
  }

  async #ask<T>(waiting: Map<number, PromiseWithResolvers<T>>, id: number, message: ToGuest): Promise<T> {
    if (this.#isOver) throw new RuntimeError('failed', 'the machine has ended');
    const answer = Promise.withResolvers<T>();
    waiting.set(id, answer);
    this.#send(message);
    try {
      return await answer.promise;
    } finally {
      waiting.delete(id);
    }
  }

  #received(message: FromGuest): void {
    switch (message.type) {
      case 'started':
        this.#started.resolve();
        return;
      case 'console':
        this.#events.console(message.bytes);
        return;
      case 'taken':
        this.#events.taken(message.bytes);
        return;
      case 'figures':
        this.#figures.get(message.id)?.resolve(message.figures);
        return;
      case 'done': {
        const { id, problem } = message;
        if (problem === undefined) this.#holds.get(id)?.resolve();
        else this.#holds.get(id)?.reject(new RuntimeError('failed', problem));
        return;
      }
      case 'saved': {
        const { id, saved, problem = '' } = message;
        if (saved !== undefined) this.#saves.get(id)?.resolve(saved);
        else this.#saves.get(id)?.reject(new RuntimeError('failed', problem));
        return;
      }
      case 'presence':
        this.#events.presence(message.isHere);
        return;
      case 'claim':
        this.#events.claim(message);
        return;
      case 'migration':
        this.#events.migration(message);
        return;
      case 'forwarded':
      case 'waiting': {
        const { id, port, problem = 'connection refused' } = message;
        if (port !== undefined) this.#ports.get(id)?.resolve(port);
        else this.#ports.get(id)?.reject(new RuntimeError('failed', problem));
        return;
      }
      case 'ended':
        this.#end(message);
        return;
      default:
        message satisfies never;
    }
  }

  #end({ exitCode, message }: GuestEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const error = new RuntimeError('failed', message === '' ? 'the machine has ended' : message);
    this.#started.reject(error);
    const waiting = [this.#figures, this.#ports, this.#saves, this.#holds];
    for (const answer of waiting.flatMap((map) => [...map.values()])) answer.reject(error);
    this.#events.ended({ exitCode, message });
    void this.#worker.terminate();
  }
}
