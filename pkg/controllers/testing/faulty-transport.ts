/**
 * A connection that loses requests, answers and races at random, and whose watches can be cut. A lost race is told of replacing writes alone: whoever
 * deletes or patches with a precondition takes a conflict for news of another object, which would be a lie. Each run replays from its `chance`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { expired, serviceUnavailable, staleVersion } from '#pkg/apimachinery/status-error.ts';
import { childSignal } from '#pkg/base/async.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Transport } from '#pkg/client/client.ts';

export interface FaultyTransportOptions {
  readonly transport: Transport;
  readonly chance: Random;
  /** Share of the requests that fail, from now on. */
  share(): number;
  /** Called before a request reaches the server. */
  beforeRequest(request: ApiRequest): Promise<void> | undefined;
}

export interface FaultyTransport extends Transport {
  /** Ends every watch there is; with `history` false, those that go on from where they were are then told that this is no longer known. */
  dropWatches(options: { readonly history: boolean }): void;
}

export function faultyTransport(options: FaultyTransportOptions): FaultyTransport {
  const { transport, chance } = options;
  /** Path of each watch that is going on. */
  const watches = new Map<AbortController, string>();
  const forgotten = new Set<string>();
  const ask = async (request: ApiRequest, fate: number): Promise<ApiResponse> => {
    const response = await transport.request(request);
    const isWatch = response.body.kind === 'watch';
    if (fate >= 0.4 && fate < 0.7 && !isWatch) throw serviceUnavailable('the answer was lost');
    return response;
  };
  const watch = async (request: ApiRequest, fate: number): Promise<ApiResponse> => {
    if (forgotten.delete(request.path) && !request.query.includes('sendInitialEvents'))
      throw expired('too old resource version');
    const { controller } = childSignal(request.signal);
    watches.set(controller, request.path);
    controller.signal.addEventListener('abort', () => watches.delete(controller), { once: true });
    return ask({ ...request, signal: controller.signal }, fate);
  };
  return {
    request: async (request) => {
      const fate = chance.next() / options.share();
      await options.beforeRequest(request);
      if (fate < 0.4) throw serviceUnavailable('the request was lost');
      if (fate >= 0.7 && fate < 1 && request.method === 'PUT')
        throw staleVersion({ group: '', resource: 'objects' }, request.path);
      return /\bwatch=(true|1)/.test(request.query) ? watch(request, fate) : ask(request, fate);
    },
    dropWatches: ({ history }) => {
      for (const [controller, path] of [...watches]) {
        if (!history) forgotten.add(path);
        controller.abort();
      }
    },
  };
}
