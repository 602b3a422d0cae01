/** Calls an API in the same process, as `connect.ts` does over the network: for tests, and for programs that hold a cluster. */
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import type { ApiCall, RawAnswer, SendCall } from './api.ts';

/** Sends calls to `handler` as the person who may do everything. */
export function sendTo(handler: ApiHandler): SendCall {
  return async (call: ApiCall): Promise<RawAnswer> => {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(call.query ?? {}))
      for (const one of typeof value === 'string' ? [value] : (value ?? [])) query.append(key, one);
    const body = call.body === undefined ? undefined : Buffer.from(jsonText(call.body));
    const response = await handler({
      method: call.method,
      path: call.path,
      query: query.toString(),
      headers: {
        accept: call.accept ?? 'application/json',
        'user-agent': 'coxswain-kubectl',
        ...(body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body: { kind: 'bytes', bytes: body } }),
      peer: { address: '', certificate: { commonName: 'kubernetes-admin', organizations: ['system:masters'] } },
      signal: call.signal ?? new AbortController().signal,
    });
    const warning = response.headers.warning;
    return { status: response.status, warnings: warning === undefined ? [] : [warning], chunks: chunksOf(response) };
  };
}

async function* chunksOf({ body }: ApiResponse): AsyncGenerator<Uint8Array> {
  switch (body.kind) {
    case 'empty':
      return;
    case 'bytes':
      yield body.bytes;
      return;
    case 'object':
      yield body.bytes();
      return;
    case 'stream':
      yield* body.chunks;
      return;
    case 'upgrade':
      throw new Error('Cannot read a connection that was taken over');
    case 'watch':
      for await (const batch of body.batches) for (const frame of batch) yield frame.bytes();
  }
}
