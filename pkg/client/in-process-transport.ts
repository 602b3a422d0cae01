/** Calls an API in the same process: no socket, no encoding, the same authentication and authorization. */
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { Transport } from './client.ts';

/** Who the caller says it is, as the subject of a client certificate would. */
export interface InProcessIdentity {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

/** A transport that calls `handler` as `identity`. */
export function inProcessTransport(handler: ApiHandler, identity: InProcessIdentity): Transport {
  const peer = { address: '', certificate: identity };
  return { request: (request) => handler({ ...request, peer }), isLocal: true };
}
