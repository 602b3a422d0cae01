/** Expressions and what they mean. Values: cel-spec `langdef.md`, and what cel-go answers in Kubernetes' environment. */
import { expect, test } from 'vitest';
import { environmentOf } from './environment.ts';
import { fromJson, toJson } from './json-values.ts';
import { compileProgram } from './program.ts';
import { dynType, listOf, stringType } from './types.ts';
import { OpaqueValue, OptionalValue } from './values.ts';

const variables = { self: dynType, names: listOf(stringType), text: stringType };
const values = [
  fromJson({
    replicas: 3,
    ratio: 0.5,
    name: 'web',
    empty: null,
    tags: ['a', 'b'],
    ports: { http: 80 },
    namespace: 'n',
  }),
  fromJson(['b', 'a']),
  'héllo',
];

function evaluate(text: string): unknown {
  const program = compileProgram(text, environmentOf(variables));
  if ('issues' in program) return `refused: ${program.issues.map(({ message }) => message).join('; ')}`;
  const outcome = program.run(values);
  if ('error' in outcome) return `error: ${outcome.error.message}`;
  if (outcome.value instanceof OpaqueValue || outcome.value instanceof OptionalValue) return 'opaque';
  return toJson(outcome.value);
}

test.each<readonly [string, unknown]>([
  // Logic: what decides may stand on either side.
  ['true || self.none > 1', true],
  ['self.none > 1 || true', true],
  ['self.none > 1 && false', false],
  ['self.none > 1 || false', 'error: no such key: none'],
  ['[1, 2].all(x, x / 0 == 1 || true)', true],
  ['[0, 1].exists(x, 1 / x == 1)', true],
  ['[0, 2].all(x, 2 / x == 1)', 'error: division by zero'],
  // Numbers stay within 64 bits.
  ['9223372036854775807 + 1', 'error: integer overflow'],
  ['-9223372036854775808 - 1', 'error: integer overflow'],
  ['1 % 0', 'error: modulus by zero'],
  ['0u - 1u', 'error: unsigned integer overflow'],
  ['1.0 / 0.0 > 1e300', true],
  ['int(1e19)', 'error: integer overflow'],
  ['5 / -2', -2],
  ['dyn(1) == dyn(1.0)', true],
  ['dyn(1u) < dyn(1.5)', true],
  ['9223372036854775808', 'refused: invalid int literal'],
  // Texts count code points.
  ['size(text)', 5],
  ["text.indexOf('l')", 2],
  ["'a,b,c'.split(',', 2)", ['a', 'b,c']],
  ["'abc'.replace('', '-')", '-a-b-c-'],
  ["'%s has %d, %.2f'.format([dyn('x'), dyn(2), dyn(1.005)])", 'x has 2, 1.00'],
  ["text.matches('^h.llo$')", true],
  ["'ab12'.find('[0-9]+')", '12'],
  ["'1a2b'.findAll('[0-9]', 1)", ['1']],
  // Fields, lists and maps.
  ['self.replicas > 2 && self.ratio < 1.0', true],
  ['has(self.empty)', true],
  ['has(self.none)', false],
  ['self.?none.orValue(7)', 7],
  ['self.?ports.?http.orValue(0)', 80],
  ['self.namespace', 'n'],
  ['names[2]', 'error: index out of bounds: 2'],
  ["self.ports['https']", 'error: no such key: https'],
  ["'b' in names", true],
  ['names.isSorted()', false],
  ['names.sort()', ['a', 'b']],
  ['names.map(n, n + n)', ['bb', 'aa']],
  ["names.filter(n, n < 'b')", ['a']],
  ["names.exists_one(n, n == 'a')", true],
  ['[3, 1, 2].sortBy(x, -x)', [3, 2, 1]],
  ['names.transformMapEntry(i, n, {n: i})', { b: 0, a: 1 }],
  ['{1: 2}.transformList(k, v, k + v)', [3]],
  ['[1, 2, 3].sum()', 6],
  ['[].map(x, x) == []', true],
  ['sets.contains(names, ["a"])', true],
  ['optional.of(2).optMap(x, x * 3).value()', 6],
  ['type(self.replicas) == int', true],
  // Kubernetes' own.
  ["quantity('1.5Gi').isGreaterThan(quantity('1G'))", true],
  ["quantity('50k').add(20).asInteger()", 50020],
  ["isQuantity('1x')", false],
  ["cidr('10.0.0.0/8').containsIP('10.1.2.3')", true],
  ["ip('::1').isLoopback() && ip('::ffff').family() == 6", true],
  ["isIP('1.2.3.04')", false],
  ["url('https://a.b:80/x?k=v').getQuery()['k'][0]", 'v'],
  ["isURL('no')", false],
  ["semver('1.2.3-rc.1').isLessThan(semver('1.2.3'))", true],
  ["semver('v1.2', true).patch()", 0],
  ["format.dns1123Label().validate('Bad').hasValue()", true],
  ["jsonpatch.escapeKey('a/b~c')", 'a~1b~0c'],
  // Times.
  ["timestamp('2024-02-29T23:00:00Z').getDayOfYear('Asia/Tokyo')", 60],
  ["duration('1h30m') > duration('5399s')", true],
  ["string(timestamp('2024-01-01T00:00:00.5Z') + duration('1m'))", '2024-01-01T00:01:00.5Z'],
  // What is refused before it is run.
  ['nobody', "refused: undeclared reference to 'nobody' (in container '')"],
  ["1 + 'a'", "refused: found no matching overload for '_+_' applied to '(int, string)'"],
  ["[1, 'a']", "refused: expected type 'int' but found 'string'"],
  ['text.nothing', "refused: type 'string' does not support field selection"],
  ["'a'.matches('(')", 'refused: invalid matches argument'],
  ["duration('x')", 'refused: invalid duration argument'],
  [
    '1.all(x, x)',
    "refused: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
  ],
  ['has(1)', 'refused: invalid argument to has() macro'],
  ['for', 'refused: reserved identifier: for'],
  [
    '1 +',
    "refused: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
])('%s', (text, wanted) => {
  expect(evaluate(text)).toEqual(wanted);
});

test('an error shows the line and marks the place', () => {
  const program = compileProgram('true &&\n  nobody', environmentOf({}));
  expect('issues' in program && program.text).toBe(
    "ERROR: <input>:2:3: undeclared reference to 'nobody' (in container '')\n |   nobody\n | ..^",
  );
});

test('what an evaluation costs has a limit, whatever it does', () => {
  for (const text of [
    '[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, true))))))',
    'lists.range(1000000000).size() > 0 || true',
    "['a', 'b'].map(a, 'x').all(x, lists.range(900000).all(y, true) && true)",
  ]) {
    expect(evaluate(text)).toBe('error: operation cancelled: actual cost limit exceeded');
  }
});

test('texts that nest without end are refused, not followed', () => {
  const limit = 'refused: expression recursion limit exceeded: 250';
  expect(evaluate(`${'('.repeat(5_000)}1${')'.repeat(5_000)}`)).toBe(limit);
  expect(evaluate(`1${' + 1'.repeat(5_000)}`)).toBe(limit);
  expect(evaluate(`self${'.a'.repeat(5_000)}`)).toBe(limit);
  expect(evaluate(`${'['.repeat(5_000)}`)).toBe(limit);
  expect(evaluate(`true${' && true'.repeat(5_000)}`)).toBe(true);
  expect(evaluate(`'${'x'.repeat(100_001)}'`)).toBe(
    'refused: expression code point size exceeds limit: size: 100003, limit 100000',
  );
});
