import { expect, test } from 'vitest';
import { numberOption, readResolvConf, searchedNames } from './resolv-conf.ts';

test('servers, the last search list and the options of a file', () => {
  const text =
    '# who\nnameserver 10.0.0.1\nnameserver\nsearch a.b.\n  search x.y. .\noptions ndots:5 rotate\noptions rotate\n';
  expect(readResolvConf(text)).toEqual({
    servers: ['10.0.0.1'],
    searches: ['x.y', '.'],
    options: ['ndots:5', 'rotate'],
  });
});

test.each([
  [['ndots:5'], 5],
  [['ndots:5', 'ndots:2'], 2],
  [['ndots:x'], 1],
  [['ndots:-1'], 1],
  [['rotate'], 1],
])('ndots of %j is %i', (options, ndots) => {
  expect(numberOption(options, 'ndots', 1)).toBe(ndots);
});

test.each([
  ['kv', ['kv.ns.svc', 'kv.svc', 'kv']],
  ['a.b.c', ['a.b.c', 'a.b.c.ns.svc', 'a.b.c.svc']],
  ['a.b.', ['a.b']],
])('%s is looked for as %j', (name, names) => {
  expect(searchedNames(name, { searches: ['ns.svc', 'svc'], ndots: 2 })).toEqual(names);
});
