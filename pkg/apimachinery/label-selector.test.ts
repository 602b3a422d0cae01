import { expect, test } from 'vitest';
import {
  everything,
  nothing,
  parseLabelSelector,
  selectorFromLabelSelector,
  selectorFromSet,
} from './label-selector.ts';

const labels = { app: 'web', tier: 'front', n: '5' };

test.each([
  ['', true],
  ['app=web', true],
  ['app==web', true],
  ['app=db', false],
  ['app!=db', true],
  ['other!=db', true],
  ['app in (db, web)', true],
  ['app notin (db,web)', false],
  ['other notin (x)', true],
  ['app', true],
  ['!app', false],
  ['!other', true],
  ['n>4', true],
  ['n>5', false],
  ['n<6', true],
  ['app>1', false],
  ['app=web,tier=front', true],
  ['app=web,tier=back', false],
  ['app=', false],
  ['constructor', false],
  ['!toString', true],
  ['in in (in)', false],
])('%j matches app=web,tier=front,n=5: %s', (text, expected) => {
  const result = parseLabelSelector(text);
  expect(result.ok && result.selector.matches(labels)).toBe(expected);
});

test.each([
  ['x in (b,a),!y,z!=1,w', 'w,x in (a,b),!y,z!=1'],
  ['a==b', 'a==b'],
  ['a = b', 'a=b'],
  ['a>1,b<2', 'a>1,b<2'],
  ['x in (,a)', 'x in (,a)'],
  ['x=', 'x='],
  ['x in ()', 'x in ()'],
  ['x in (a,,b)', 'x in (,a,b)'],
  ['x in (a,,)', 'x in (,a)'],
  ['x in (,,,)', 'x in ()'],
  ['a>0000000000000000000005', 'a>0000000000000000000005'],
])('%j prints as %j', (text, printed) => {
  const result = parseLabelSelector(text);
  expect(result.ok && result.selector.toString()).toBe(printed);
});

test.each([
  [',', "found ',', expected: !, identifier, or 'end of string'"],
  ['a,', "found '', expected: identifier after ','"],
  ['a=b=c', "found '=', expected: ',' or 'end of string'"],
  ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  ['a in b', "unable to parse requirement: found 'b' expected: '('"],
  ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
  [
    'a>b',
    `unable to parse requirement: values[0]: Invalid value: "b": for 'Gt', 'Lt' operators, the value must be an integer`,
  ],
  [
    'a>9223372036854775808',
    `unable to parse requirement: values[0]: Invalid value: "9223372036854775808": for 'Gt', 'Lt' operators, the value must be an integer`,
  ],
  ['!a=b', "found '=', expected: ',' or 'end of string'"],
  ['!', "unable to parse requirement: found '', expected: identifier"],
  ['a in (b=)', "unable to parse requirement: found '=', expected: ',' or ')'"],
  ['a in (=)', "unable to parse requirement: found '=', expected: ',', ')' or identifier"],
  ['a=(', "unable to parse requirement: found '(', expected: identifier"],
  ['/b c', 'unable to parse requirement: <nil>: Invalid value: "/b": prefix part must be non-empty'],
  [
    `-${'a'.repeat(63)}`,
    `unable to parse requirement: <nil>: Invalid value: "-${'a'.repeat(63)}": name part must be no more than 63 bytes; name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
  ],
  ['a=b c', "found 'c', expected: ',' or 'end of string'"],
  [
    'a=-',
    `unable to parse requirement: values[0][a]: Invalid value: "-": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
  ],
])('%j is refused: %s', (text, error) => {
  expect(parseLabelSelector(text)).toEqual({ ok: false, error });
});

test('an absent selector object selects nothing, an empty one everything', () => {
  expect(selectorFromLabelSelector(undefined)).toEqual({ ok: true, selector: nothing });
  expect(selectorFromLabelSelector({})).toEqual({ ok: true, selector: everything });
  expect([nothing.matches({}), everything.matches(undefined)]).toEqual([false, true]);
});

test('selector objects combine labels and expressions', () => {
  const selector = {
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['front', 'back'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  };
  const result = selectorFromLabelSelector(selector);
  expect(result.ok && result.selector.toString()).toBe('app=web,!old,tier in (back,front)');
  expect(result.ok && result.selector.matches(labels)).toBe(true);
});

test('an unknown operator of a selector object is an error', () => {
  const result = selectorFromLabelSelector({ matchExpressions: [{ key: 'a', operator: 'constructor' }] });
  expect(result).toEqual({ ok: false, error: '"constructor" is not a valid label selector operator' });
});

test('a set of labels wants each of them', () => {
  expect(selectorFromSet({ app: 'web' }).matches(labels)).toBe(true);
  expect(selectorFromSet({ app: 'db' }).matches(labels)).toBe(false);
  expect(selectorFromSet({}).isEmpty).toBe(true);
});
