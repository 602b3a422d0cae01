import { expect, test } from 'vitest';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { Deferred } from '#pkg/base/async.ts';
import { limitedTransport, RequestPlaces } from './limited-transport.ts';

const call = (path: string, query = '', signal = new AbortController().signal): ApiRequest => ({
  method: 'GET',
  path,
  query,
  headers: {},
  peer: { address: '' },
  signal,
});

/** A server that answers when told to. */
function slowServer() {
  const under: { readonly path: string; readonly end: Deferred }[] = [];
  const request = async ({ path }: ApiRequest): Promise<ApiResponse> => {
    const end = new Deferred();
    under.push({ path, end });
    await end.promise;
    return { status: 200, headers: {}, body: { kind: 'bytes', bytes: new Uint8Array() } };
  };
  return { request, paths: () => under.map(({ path }) => path), end: (index: number) => under[index]!.end };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('of the requests of several clients so many are under way, the others in order; watches pass', async () => {
  const server = slowServer();
  const places = new RequestPlaces(2);
  const [one, other] = [limitedTransport(server, places), limitedTransport(server, places)];
  const sent = ['/a', '/b', '/c', '/d'].map((path, index) => (index % 2 === 0 ? one : other).request(call(path)));
  void one.request(call('/watch', 'resourceVersion=1&watch=true'));
  await settle();
  expect(server.paths()).toEqual(['/a', '/b', '/watch']);
  server.end(0).reject(new Error('lost'));
  await expect(sent[0]).rejects.toThrow('lost');
  server.end(1).resolve();
  await settle();
  expect(server.paths()).toEqual(['/a', '/b', '/watch', '/c', '/d']);
});

test('a request that is aborted while it waits is never sent, and keeps no place', async () => {
  const server = slowServer();
  const transport = limitedTransport(server, new RequestPlaces(1));
  const controller = new AbortController();
  void transport.request(call('/a'));
  const waiting = transport.request(call('/b', '', controller.signal));
  const last = transport.request(call('/c'));
  controller.abort(new Error('no more'));
  server.end(0).resolve();
  await expect(waiting).rejects.toThrow('no more');
  await settle();
  expect(server.paths()).toEqual(['/a', '/c']);
  server.end(1).resolve();
  expect((await last).status).toBe(200);
});
