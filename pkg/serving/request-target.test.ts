import { expect, test } from 'vitest';
import { parseTarget } from './request-target.ts';

const cases: readonly (readonly [target: string | undefined, path: string, query: string])[] = [
  [undefined, '/', ''],
  ['', '/', ''],
  ['/healthz', '/healthz', ''],
  ['/readyz?verbose&x=%2F?', '/readyz', 'verbose&x=%2F?'],
  ['//', '//', ''],
  ['//[', '//[', ''],
  ['http://', '/', ''],
  ['http://[', '/', ''],
  ['http://host:1/version?a', '/version', 'a'],
  ['HTTPS://host?a', '/', 'a'],
  ['?a', '/', 'a'],
  ['*', '*', ''],
  ['/%', '/%', ''],
  ['/\\\u0080', '/\\\u0080', ''],
];

test.each(cases)('the target %j is path %j and query %j (fault 52)', (target, path, query) => {
  expect(parseTarget(target)).toEqual({ path, query });
});
