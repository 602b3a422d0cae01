/** What is asked of the APIs of custom and external metrics, and what is made of their answers. */
import { expect, test } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { MetricsSource } from './metrics-source.ts';

function sourceOf(answers: Readonly<Record<string, object>>) {
  const asked: string[] = [];
  const request = async ({ path, query }: ApiRequest) => {
    asked.push(decodeURIComponent(query === '' ? path : `${path}?${query}`));
    const found = answers[path];
    const object = found ?? {
      kind: 'Status',
      code: 404,
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
    };
    const body = { kind: 'object', object, bytes: () => new Uint8Array() } as const;
    return { status: found === undefined ? 404 : 200, headers: {}, body };
  };
  return { asked, source: new MetricsSource(createClient({ transport: { request }, userAgent: 'test' })) };
}

const { signal } = new AbortController();
const query = { namespace: 'ns', metric: 'rps', metricSelector: 'a=b', signal };
const custom = '/apis/custom.metrics.k8s.io';

test('a metric of pods is asked for all of them at once, of the newest version that answers', async () => {
  const { source, asked } = sourceOf({
    [`${custom}/v1beta1/namespaces/ns/pods/*/rps`]: {
      items: [
        {
          describedObject: { kind: 'Pod', name: 'p1' },
          value: '2500m',
          timestamp: '2026-01-01T00:00:00Z',
          windowSeconds: 30,
        },
        { describedObject: { kind: 'Pod', name: 'p2' }, value: '3' },
        { describedObject: 'nonsense', value: [] },
      ],
    },
  });
  const found = await source.pods({ ...query, selector: 'app=web' });
  expect([...found]).toEqual([
    ['p1', { milli: 2_500, windowMs: 30_000, timeMs: Date.UTC(2026, 0, 1) }],
    ['p2', { milli: 3_000, windowMs: 60_000, timeMs: 0 }],
  ]);
  expect(asked).toEqual([
    `${custom}/v1beta2/namespaces/ns/pods/*/rps?labelSelector=app=web&metricLabelSelector=a=b`,
    `${custom}/v1beta1/namespaces/ns/pods/*/rps?labelSelector=app=web&metricLabelSelector=a=b`,
  ]);
});

test('a metric of an object is asked for under its resource, one of its namespace under that', async () => {
  const { source } = sourceOf({
    '/apis/networking.k8s.io/v1': {
      resources: [{ name: 'ingresses', kind: 'Ingress', namespaced: true, verbs: ['get'] }],
    },
    '/api/v1': { resources: [{ name: 'namespaces', kind: 'Namespace', namespaced: false, verbs: ['get'] }] },
    [`${custom}/v1beta2/namespaces/ns/ingresses.networking.k8s.io/main/rps`]: { items: [{ value: '20k' }] },
    [`${custom}/v1beta2/namespaces/ns/metrics/rps`]: { items: [{ value: '7' }] },
  });
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' };
  expect(await source.object(query, ingress)).toBe(20_000_000);
  expect(await source.object(query, { kind: 'Namespace', name: 'ignored' })).toBe(7_000);
  await expect(source.object(query, { kind: 'Widget', name: 'w' })).rejects.toThrow('no matches for kind "Widget"');
});

test('external metrics are summed up, and what is not served says so', async () => {
  const path = '/apis/external.metrics.k8s.io/v1beta1/namespaces/ns/rps';
  const { source, asked } = sourceOf({ [path]: { items: [{ value: '1500m' }, { value: '1' }] } });
  expect(await source.external(query)).toBe(2_500);
  expect(asked).toEqual([`${path}?labelSelector=a=b`]);
  await expect(sourceOf({}).source.external(query)).rejects.toThrow(
    'unable to fetch metrics from external metrics API: the server could not find the requested resource',
  );
  await expect(sourceOf({ [path]: { items: [] } }).source.external(query)).rejects.toThrow('no metrics returned');
});
