import { expect, test } from 'vitest';
import type { ApiRequest, Peer } from '#pkg/apimachinery/http.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { serverFaults } from './request-faults.ts';

/** As one of the network, of which the peer is known when it is asked for. */
class NetworkRequest implements ApiRequest {
  readonly method = 'GET';
  readonly path = '/api/v1/pods';
  readonly query = 'watch=true';
  readonly headers = {};

  get peer(): Peer {
    return { address: '192.0.2.1' };
  }

  get signal(): AbortSignal {
    return neverAborted;
  }
}

test('a watch that no rule is about is of whom it was, where there may be faults', async () => {
  const faults = serverFaults(new VirtualClock());
  const named = { group: '', resource: 'pods', subresource: '', namespace: '', name: '' };
  const subject = { ...named, user: 'jane', verb: 'watch', query: new URLSearchParams('watch=true') };
  let seen: ApiRequest | undefined;
  await faults.answer(subject, new NetworkRequest(), async (request) => {
    seen = request;
    return { status: 200, headers: {}, body: { kind: 'bytes', bytes: new Uint8Array(0) } };
  });
  expect([seen?.method, seen?.path, seen?.peer]).toEqual(['GET', '/api/v1/pods', { address: '192.0.2.1' }]);
});
