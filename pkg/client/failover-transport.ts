/**
 * One transport over several servers of one API: requests go to one of them, its home, until that is lost, then to the next, where all go from then on. Once the
 * home says that it is ready again, requests go back to it: else whatever server was started last would have no clients until others are lost.
 *
 * Invariant: a request that may have changed something is made again only when it is known not to have arrived. Each server is tried at most once for a
 * request. Answers are the server's, refusals too: only a connection that is lost counts, and a silence that its caller has given up after a while. Streams stay where they have begun. No request of a caller finds
 * out whether the home is there again: one of this transport's own does. Upstream counterpart: the server's `--goaway-chance`, with which clients of
 * HTTP/2 connect anew now and then.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { childSignal, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { NetworkTransport } from './network-transport.ts';

/** Errors of a connection that was never there. */
const neverThere: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Between two questions whether the home is ready again; doubled, up to a bound, for one that is lost again soon after it was gone back to. */
const askMsFirst = 10_000;
const askMsMax = 320_000;
/** A home that was there for so long is no longer one that comes and goes. */
const steadyMs = 60_000;
/** For the answer to that question. */
const answerMsMax = 5_000;

/** A caller who waited for so long and then went has found a server that is paused or cut off: nothing else would tell of that for minutes. */
const silentMsMin = 4_000;

/** A request that waited for so long has it asked whether its server still answers anybody; one that does may be slow, and is waited for. */
const lookMs = 8_000;

/** The servers, and which is asked first. */
export interface FailoverOptions {
  readonly servers: readonly [NetworkTransport, ...NetworkTransport[]];
  /** Index of the home: chosen by chance, clients divide among the servers. */
  readonly first: number;
  readonly clock: Clock;
}

/** A transport that closes all of them. */
export function failoverTransport(options: FailoverOptions): NetworkTransport {
  return new FailoverTransport(options);
}

class FailoverTransport implements NetworkTransport {
  readonly #servers: FailoverOptions['servers'];
  readonly #clock: Clock;
  readonly #home: number;
  readonly #closed = new AbortController();
  #current: number;
  #isAsking = false;
  #askMs = askMsFirst;
  /** When the home was last gone back to. */
  #backMs = Number.NEGATIVE_INFINITY;

  constructor({ servers, first, clock }: FailoverOptions) {
    this.#servers = servers;
    this.#clock = clock;
    this.#home = first % servers.length;
    this.#current = this.#home;
  }

  async request(request: ApiRequest): Promise<ApiResponse> {
    for (let tries = 1; ; tries++) {
      const index = this.#current;
      const startMs = this.#clock.monotonicMs();
      try {
        return following(await this.#ask(index, request), () => this.#leave(index));
      } catch (error) {
        const isGivenUp = request.signal.aborted;
        if (!isGivenUp || this.#clock.monotonicMs() - startMs >= silentMsMin) this.#leave(index);
        if (isGivenUp) throw error;
        if (tries >= this.#servers.length || !mayRepeat(request, error)) throw error;
      }
    }
  }

  /** Gives the request up where its server turns out to be silent. */
  async #ask(index: number, request: ApiRequest): Promise<ApiResponse> {
    const { controller, dispose } = childSignal(request.signal);
    const timer = this.#clock.setTimeout(() => void this.#look(index, controller), lookMs);
    let isStream = false;
    try {
      const response = await this.#server(index).request({ ...request, signal: controller.signal });
      isStream = response.body.kind === 'stream' || response.body.kind === 'upgrade';
      return response;
    } finally {
      timer.cancel();
      // What goes on ends with its caller's signal.
      if (!isStream) dispose();
    }
  }

  async #look(index: number, waiting: AbortController): Promise<void> {
    if ((await this.#answers(index)) === undefined)
      waiting.abort(new Error('Cannot wait for the server any longer as it answers nobody'));
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #server(index: number): NetworkTransport {
    return this.#servers[index] ?? this.#servers[0];
  }

  #leave(index: number): void {
    if (this.#current !== index) return;
    this.#current = (index + 1) % this.#servers.length;
    if (index !== this.#home || this.#isAsking || this.#closed.signal.aborted) return;
    const wasSteady = this.#clock.monotonicMs() - this.#backMs >= steadyMs;
    this.#askMs = wasSteady ? askMsFirst : Math.min(this.#askMs * 2, askMsMax);
    void this.#goBack();
  }

  /** Ends when requests go to the home again: because it is ready, or as all others were lost. */
  async #goBack(): Promise<void> {
    this.#isAsking = true;
    while ((await sleep(this.#clock, this.#askMs, this.#closed.signal)) && this.#current !== this.#home) {
      if ((await this.#answers(this.#home)) !== 200) continue;
      this.#current = this.#home;
      this.#backMs = this.#clock.monotonicMs();
      break;
    }
    this.#isAsking = false;
  }

  /** The status of a server's answer to whether it is ready; undefined for none. */
  async #answers(index: number): Promise<number | undefined> {
    const waiting = new AbortController();
    const timer = this.#clock.setTimeout(() => waiting.abort(), answerMsMax);
    try {
      const signal = AbortSignal.any([waiting.signal, this.#closed.signal]);
      return (await this.#server(index).request({ ...readyz, signal })).status;
    } catch {
      return undefined;
    } finally {
      timer.cancel();
    }
  }
}

/** A server that is about to stop, or has lost its store, says that it is not. */
const readyz = { method: 'GET', path: '/readyz', query: '', headers: {}, peer: { address: '' } } as const;

/** The answer, whose stream tells when it is cut off. */
function following(response: ApiResponse, onLost: () => void): ApiResponse {
  const { body } = response;
  if (body.kind !== 'stream') return response;
  const { chunks } = body;
  return { ...response, body: { kind: 'stream', chunks: telling(chunks, onLost) } };
}

async function* telling(chunks: AsyncIterable<Uint8Array>, onLost: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    onLost();
    throw error;
  }
}

function mayRepeat({ method, body }: ApiRequest, error: unknown): boolean {
  if (body?.kind === 'unread') return false;
  return method === 'GET' || wasNeverThere(error);
}

function wasNeverThere(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string' && neverThere.has(error.code)) return true;
  if (error instanceof AggregateError) return error.errors.every(wasNeverThere);
  return wasNeverThere(error.cause);
}
