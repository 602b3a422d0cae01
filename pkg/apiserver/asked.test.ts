import { expect, it } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { AskedReader } from './asked.ts';
import { Catalog } from './catalog.ts';

const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1';

function request(changes: Partial<ApiRequest> = {}): ApiRequest {
  return { method: 'PUT', path, query: '', headers: {}, peer: { address: '' }, signal: neverAborted, ...changes };
}

function emptyCatalog(): Catalog {
  return new Catalog({
    definitions: [],
    openStore: () => {
      throw new Error('no store is opened of an empty catalog');
    },
  });
}

it('reads a request line of this process once for each method, and one of the network each time', () => {
  const reader = new AskedReader(emptyCatalog());
  const first = reader.read(request());
  expect(reader.read(request())).toBe(first);
  expect(first.info).toMatchObject({
    verb: 'update',
    resource: 'leases',
    name: 'node-1',
    namespace: 'kube-node-lease',
  });
  expect(reader.read(request({ method: 'GET' })).info.verb).toBe('get');
  expect(reader.read(request({ query: 'dryRun=All' })).info.query.get('dryRun')).toBe('All');
  expect(reader.read(request({ peer: { address: '192.0.2.1' } }))).not.toBe(first);
});

it('keeps a bounded number of request lines', () => {
  const reader = new AskedReader(emptyCatalog());
  const first = reader.read(request());
  for (let i = 0; i < 4_096; i++) reader.read(request({ path: `/api/v1/nodes/n${i}` }));
  expect(reader.read(request())).not.toBe(first);
  expect(reader.read(request())).toEqual(first);
});
