/** What filters do to paths, headers and addresses. */
import { expect, test } from 'vitest';
import { type ArrivedAt, editPath, endToEnd, type HeaderMap, headerEdits, redirectTo } from './edits.ts';

const prefix = (value: string) => ({ path: { type: 'PathPrefix', value } }) as const;

test.each([
  ['/foo', '/foo/bar', '/xyz', '/xyz/bar'],
  ['/foo', '/foo/bar', '/xyz/', '/xyz/bar'],
  ['/foo/', '/foo/bar', '/xyz', '/xyz/bar'],
  ['/foo/', '/foo/bar', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo', '/foo/', '/xyz', '/xyz/'],
  ['/foo', '/foo', '/xyz/', '/xyz/'],
  ['/foo', '/foo/bar', '', '/bar'],
  ['/foo', '/foo/', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo', '/foo/', '/', '/'],
  ['/foo', '/foo', '/', '/'],
  ['/', '/bar', '/xyz', '/xyz/bar'],
])('the prefix %s of %s replaced by %j is %s', (matched, path, replaced, expected) => {
  expect(editPath(path, prefix(matched), { prefix: replaced })).toBe(expected);
});

const at: ArrivedAt = { scheme: 'http', host: 'a.test', port: 8080, path: '/foo/x', query: '?q=1' };

test.each([
  [{ status: 302 }, 'http://a.test:8080/foo/x?q=1'],
  [{ status: 302, hostname: 'b.test' }, 'http://b.test:8080/foo/x?q=1'],
  [{ status: 301, scheme: 'https' }, 'https://a.test/foo/x?q=1'],
  [{ status: 301, scheme: 'https', port: 8443 }, 'https://a.test:8443/foo/x?q=1'],
  [{ status: 301, scheme: 'https', port: 443 }, 'https://a.test/foo/x?q=1'],
  [{ status: 301, port: 80 }, 'http://a.test/foo/x?q=1'],
  [{ status: 302, path: { full: '/new' } }, 'http://a.test:8080/new?q=1'],
  [{ status: 302, path: { prefix: '/new' } }, 'http://a.test:8080/new/x?q=1'],
])('a redirect %j leads to %s', (redirect, expected) => {
  expect(redirectTo(redirect, prefix('/foo'), at)).toBe(expected);
});

test('headers of the connection go no further, nor do those that it names', () => {
  const kept = endToEnd({
    connection: ['close, X-Mine'],
    'x-mine': ['1'],
    te: ['trailers'],
    'transfer-encoding': ['chunked'],
    upgrade: ['h2c'],
    'x-other': ['2', '3'],
  });
  expect([...kept]).toEqual([['x-other', ['2', '3']]]);
});

test('headers are set, then added, then removed, by the rule and then by the backend', () => {
  const headers: HeaderMap = new Map([
    ['a', ['1']],
    ['b', ['1']],
    ['c', ['1']],
  ]);
  const edit = { set: [{ name: 'a', value: '2' }], add: [{ name: 'b', value: '2' }], remove: ['c'] };
  const later = { set: [{ name: 'c', value: '3' }], add: [{ name: 'd', value: '3' }], remove: [] };
  headerEdits('requestHeaders', { requestHeaders: edit, responseHeaders: later }, { requestHeaders: later })(headers);
  expect([...headers]).toEqual([
    ['a', ['2']],
    ['b', ['1', '2']],
    ['c', ['3']],
    ['d', ['3']],
  ]);
});
