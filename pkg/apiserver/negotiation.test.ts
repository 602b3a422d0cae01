import { expect, test } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { negotiate } from './negotiation.ts';

function ask(headers: Record<string, string>, query = '', { isWatch = false, hasTable = true } = {}): string {
  const request: ApiRequest = {
    method: 'GET',
    path: '/',
    query,
    headers,
    peer: { address: '' },
    signal: new AbortController().signal,
  };
  const { format, as, version, pretty } = negotiate(request, { query: new URLSearchParams(query), isWatch, hasTable });
  return [format, as, version, pretty ? 'pretty' : ''].filter((part) => part !== '').join(' ');
}

const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';

const cases: readonly [accept: string, expected: string][] = [
  ['application/json', 'json'],
  ['*/*', 'json'],
  ['application/yaml', 'yaml'],
  ['text/html, application/*;q=0.5', 'json'],
  ['*/*, application/yaml', 'yaml'],
  ['application/*, application/yaml', 'yaml'],
  ['application/json;q=0.1, application/yaml;q=0.9', 'yaml'],
  ['application/vnd.kubernetes.protobuf,application/json', 'protobuf'],
  [`${table},application/json`, 'json Table v1'],
  ['application/json;as=Table;v=v9;g=meta.k8s.io,application/json', 'json'],
  ['application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1', 'json PartialObjectMetadata v1beta1'],
];

test.each(cases)('Accept %s gives %s', (accept, expected) => {
  expect(ask({ accept })).toBe(expected);
});

test('nothing that is accepted is an error, and a watch is not YAML', () => {
  expect(() => ask({ accept: 'application/xml' })).toThrow('only the following media types are accepted');
  expect(() => ask({ accept: 'application/json;as=Other;v=v1;g=meta.k8s.io' })).toThrow('only the following');
  const watch = { isWatch: true };
  expect(() => ask({ accept: 'application/yaml' }, '', watch)).toThrow(/json;stream=watch, .*protobuf;stream=watch$/);
  expect(() => ask({ accept: 'text/html' }, '', watch)).toThrow(/json, application\/yaml, .*kubernetes.protobuf$/);
});

test('where there are no tables the next choice counts, and without one it is an error', () => {
  expect(ask({ accept: `${table},application/json` }, '', { hasTable: false })).toBe('json');
  expect(() => ask({ accept: table }, '', { hasTable: false })).toThrow('only the following media types are accepted');
  expect(ask({ accept: table })).toBe('json Table v1');
});

test('people get indented answers, unless they say no', () => {
  expect(ask({ 'user-agent': 'curl/8' })).toBe('json pretty');
  expect(ask({ 'user-agent': 'curl/8' }, 'pretty=false')).toBe('json');
  expect(ask({}, 'pretty=1')).toBe('json pretty');
  expect([ask({}, 'pretty=x'), ask({ 'user-agent': 'curl/8' }, 'pretty=')]).toEqual(['json', 'json pretty']);
});
