/** What every transport has to do: the laws of `client.ts` as its client sees them, over a network or in the same process. */
import { expect, onTestFinished, test } from 'vitest';
import { pods } from '#pkg/api/types/refs.ts';
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import type { Transport } from './client.ts';
import { createClient } from './rest-client.ts';

export interface TransportStage {
  /** A transport that leads to `handler`, and how to end both. */
  serve(handler: ApiHandler): Promise<{ readonly transport: Transport; close(): Promise<void> }>;
}

const json = { 'content-type': 'application/json' };
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const answer = (status: number, object: unknown): ApiResponse => ({
  status,
  headers: json,
  body: { kind: 'object', object, bytes: () => bytes(object) },
});

/** Runs the suite. `name` is that of the transport. */
export function transportConformance(name: string, stage: TransportStage): void {
  const serve = async (handler: ApiHandler) => {
    const { transport, close } = await stage.serve(handler);
    onTestFinished(close);
    return createClient({ transport, userAgent: 'test/1' }).resource(pods);
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'x' } } as const;

  test(`${name}: a call carries method, path, query and object, and brings the object of the answer`, async () => {
    const seen: unknown[] = [];
    const client = await serve(async ({ method, path, query, body }) => {
      const read = body?.kind === 'unread' ? await body.read({ limitBytes: 10_000 }) : body;
      const sent =
        read instanceof Uint8Array
          ? JSON.parse(Buffer.from(read).toString())
          : read?.kind === 'object'
            ? read.object
            : undefined;
      seen.push(method, path, query, sent);
      return answer(201, pod);
    });
    expect(await client.create(pod, { fieldManager: 'me' })).toEqual(pod);
    expect(seen).toEqual(['POST', '/api/v1/namespaces/x/pods', 'fieldManager=me', pod]);
  });

  test(`${name}: a refusal is a StatusError with its reason`, async () => {
    const { status } = notFound({ group: '', resource: 'pods' }, 'a');
    const client = await serve(async () => answer(404, status));
    await expect(client.get('a', { namespace: 'x' })).rejects.toMatchObject({ reason: 'NotFound', code: 404 });
  });

  test(`${name}: a watch brings its events in order, and leaving it tells the server`, async () => {
    const left = Promise.withResolvers<void>();
    const event = (podName: string) => {
      const object = { ...pod, metadata: { name: podName, namespace: 'x' } };
      return {
        type: 'ADDED' as const,
        object,
        bytes: () => Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\n`),
      };
    };
    const client = await serve(async ({ signal }) => {
      const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      void ended.then(() => left.resolve());
      async function* batches() {
        yield [event('a'), event('b')];
        await ended;
      }
      return { status: 200, headers: json, body: { kind: 'watch', batches: batches() } };
    });
    const leaving = new AbortController();
    const names: (string | undefined)[] = [];
    const watching = (async () => {
      for await (const batch of client.watch({ namespace: 'x', signal: leaving.signal })) {
        for (const one of batch) if (one.type === 'ADDED') names.push(one.object.metadata?.name);
        if (names.length === 2) leaving.abort(new Error('enough'));
      }
    })();
    await expect(watching).rejects.toThrow('enough');
    await left.promise;
    expect(names).toEqual(['a', 'b']);
  });

  test(`${name}: a call that is aborted rejects with the reason`, async () => {
    const leaving = new AbortController();
    const client = await serve(({ signal }) => {
      leaving.abort(new Error('enough'));
      return new Promise((_, reject) => {
        const leave = (): void => reject(signal.reason);
        if (signal.aborted) leave();
        signal.addEventListener('abort', leave, { once: true });
      });
    });
    await expect(client.get('a', { namespace: 'x', signal: leaving.signal })).rejects.toThrow('enough');
  });
}
