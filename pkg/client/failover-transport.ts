/**
 * One transport over several servers of one API: requests go to one of them until it is lost, then to the next, where all go from then on.
 *
 * Invariant: a request that may have changed something is made again only when it is known not to have arrived. Each server is tried at most once for a
 * request. Answers are the server's, refusals too: only a connection that is lost counts.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
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

/** The servers, and which is asked first. */
export interface FailoverOptions {
  readonly servers: readonly [NetworkTransport, ...NetworkTransport[]];
  /** Index of the first: chosen by chance, clients divide among the servers. */
  readonly first: number;
}

/** A transport that closes all of them. */
export function failoverTransport({ servers, first }: FailoverOptions): NetworkTransport {
  let current = first % servers.length;
  const leave = (index: number): void => {
    if (current === index) current = (index + 1) % servers.length;
  };
  return {
    async request(request) {
      for (let tries = 1; ; tries++) {
        const index = current;
        try {
          return following(await (servers[index] ?? servers[0]).request(request), () => leave(index));
        } catch (error) {
          if (request.signal.aborted) throw error;
          leave(index);
          if (tries >= servers.length || !mayRepeat(request, error)) throw error;
        }
      }
    },
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

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
