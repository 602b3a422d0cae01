/**
 * One watch as its consumer iterates over it. Nothing is asked before the first `next`; leaving it tells the server.
 *
 * Written out as an iterator and no generator: components in the API server's process are told of every write through here, and a generator
 * takes several promises where this takes one.
 */
import type { ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { type Status, StatusError } from '#pkg/apimachinery/status-error.ts';
import type { ClientWatchEvent } from './client.ts';
import { type WireWatchEvent, watchEventBatches } from './watch-lines.ts';

type Batch<T extends KubeObject> = readonly ClientWatchEvent<T>[];
type WireBatch = readonly (WatchFrame | WireWatchEvent)[];

/** Why the request of a watch ends that its consumer has left. One for all: making a reason costs a stack trace. */
const watchLeft = new Error('The watch was left');

/**
 * The events of the watch that `open` asks for. Ends with the server's end of it, rejects with the reason of `signal` once that is aborted, and as
 * `ResourceClient.watch` says.
 */
export function clientWatch<T extends KubeObject>(
  open: (signal: AbortSignal) => Promise<ApiResponse>,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<Batch<T>> {
  return new ClientWatch<T>(open, signal);
}

class ClientWatch<T extends KubeObject> implements AsyncIterableIterator<Batch<T>> {
  readonly #open: (signal: AbortSignal) => Promise<ApiResponse>;
  readonly #signal: AbortSignal | undefined;
  readonly #request = new AbortController();
  #batches: AsyncIterator<WireBatch> | undefined;
  /** To be thrown once what came before it was handed on. */
  #failure: StatusError | undefined;
  #isOver = false;

  constructor(open: (signal: AbortSignal) => Promise<ApiResponse>, signal: AbortSignal | undefined) {
    this.#open = open;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch<T>>> {
    if (this.#isOver) return Promise.resolve({ value: undefined, done: true });
    if (this.#failure !== undefined) return this.#leaveFor(this.#failure);
    const batches = this.#batches;
    return batches === undefined ? this.#begin() : batches.next().then(this.#taken, this.#failed);
  }

  async return(): Promise<IteratorResult<Batch<T>>> {
    try {
      await this.#batches?.return?.();
    } finally {
      this.#end();
    }
    return { value: undefined, done: true };
  }

  async #begin(): Promise<IteratorResult<Batch<T>>> {
    if (this.#signal?.aborted) this.#onAbort();
    else this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    try {
      this.#batches = wireBatches(await this.#open(this.#request.signal))[Symbol.asyncIterator]();
    } catch (error) {
      return this.#failed(error);
    }
    return this.next();
  }

  readonly #onAbort = (): void => this.#request.abort(this.#signal?.reason);

  readonly #taken = ({
    value,
    done,
  }: IteratorResult<WireBatch>): IteratorResult<Batch<T>> | Promise<IteratorResult<Batch<T>>> => {
    if (done === true) {
      this.#end();
      this.#signal?.throwIfAborted();
      return { value: undefined, done: true };
    }
    const { events, failure } = toClientBatch<T>(value);
    this.#failure = failure;
    return events.length > 0 ? { value: events, done: false } : this.next();
  };

  readonly #failed = (error: unknown): never => {
    this.#end();
    throw error;
  };

  async #leaveFor(failure: StatusError): Promise<never> {
    await this.return();
    throw failure;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#request.abort(watchLeft);
  }
}

function wireBatches(response: ApiResponse): AsyncIterable<WireBatch> {
  if (response.body.kind === 'watch') return response.body.batches;
  if (response.body.kind === 'stream') return watchEventBatches(response.body.chunks);
  throw new StatusError({ code: 500, reason: 'InternalError', message: 'the server did not answer with a watch' });
}

/** The events of a batch, up to an ERROR among them, which is to be thrown after what came before it was handed on. */
function toClientBatch<T extends KubeObject>(
  batch: WireBatch,
): { readonly events: Batch<T>; readonly failure: StatusError | undefined } {
  const events: ClientWatchEvent<T>[] = [];
  for (const { type, object } of batch) {
    if (type === 'ERROR') return { events, failure: StatusError.from(object as unknown as Status) };
    if (type === 'BOOKMARK') {
      const initialEventsEnd = object.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true';
      events.push({ type, resourceVersion: object.metadata?.resourceVersion ?? '', initialEventsEnd });
    } else {
      events.push({ type: type as 'ADDED' | 'MODIFIED' | 'DELETED', object: object as T });
    }
  }
  return { events, failure: undefined };
}
