import { expect, test } from 'vitest';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { decodeJson, decodeYaml, nestingMax } from './decode.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

test.each([
  ['', 'unexpected end of JSON input'],
  ['{', 'unexpected end of JSON input'],
  ['{"a":1', 'unexpected end of JSON input'],
  ['x', "invalid character 'x' looking for beginning of value"],
  ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b":2}', `invalid character '"' after object key:value pair`],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['[1 2]', "invalid character '2' after array element"],
  ['{} x', "invalid character 'x' after top-level value"],
  ['[tru]', "invalid character ']' in literal true (expecting 'e')"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['[01]', "invalid character '1' after array element"],
  ['[1.x]', "invalid character 'x' after decimal point in numeric literal"],
])('%j is refused as Go words it: %s', (text, error) => {
  expect(decodeJson(bytes(text))).toEqual({ ok: false, error });
});

test('nesting beyond the limit is refused, up to it accepted', () => {
  const nested = (levels: number): Uint8Array => bytes('['.repeat(levels) + ']'.repeat(levels));
  expect(decodeJson(nested(nestingMax)).ok).toBe(true);
  expect(decodeJson(nested(nestingMax + 1))).toEqual({ ok: false, error: "invalid character '[' exceeded max depth" });
  expect(decodeJson(nested(100_000)).ok).toBe(false);
});

test.each([
  ['{"a":1,"b":{"a":2}}', []],
  ['{"a":1,"a":2}', ['a']],
  ['{"spec":{"x":1,"y":[{"z":1},{"z":1,"z":2}],"x":3}}', ['spec.y[1].z', 'spec.x']],
  ['{"a":1,"\\u0061":2}', ['a']],
  ['{"a":"b:c\\"\\\\","b":"{\\"a\\":1}","a":[[{"k":1,"k":1,"k":1}]]}', ['a', 'a[0][0].k']],
  ['{"__proto__":1,"__proto__":2}', ['__proto__']],
])('%s has the duplicate keys %j', (text, duplicates) => {
  const decoded = decodeJson(bytes(text), { findDuplicates: true });
  expect(decoded.ok && decoded.duplicates).toEqual(duplicates);
});

test('__proto__ is data and changes no prototype', () => {
  for (const decoded of [decodeJson(bytes('{"__proto__":{"polluted":1}}')), decodeYaml('__proto__: {polluted: 1}')]) {
    const value = (decoded.ok ? decoded.value : undefined) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value.polluted).toBe(undefined);
  }
});

test.each([
  ['{"a":"\\ud800x","\\udc00":["\\ud83d\\ude00"]}', { a: '\ufffdx', '\ufffd': ['😀'] }],
  ['{"a":1e308,"b":"1e400"}', { a: 1e308, b: '1e400' }],
])('%s is read as Go reads it', (text, value) => {
  for (const decoded of [decodeJson(bytes(text)), decodeYaml(text)]) expect(decoded.ok && decoded.value).toEqual(value);
});

test('a number beyond 64 bits is refused, as it would come back as null', () => {
  expect(decodeJson(bytes('{"a":[1,-1e400]}'))).toEqual({
    ok: false,
    error: 'json: cannot unmarshal number -1e400 into Go value of type float64',
  });
});

test('YAML gives JSON values: times stay text, keys become text', () => {
  const text = 'a: 2026-01-01\nb: 1.5\nc: yes\nd: ~\n1: x\nbase: &b {x: 1}\nmerged: {<<: *b, z: 2}\n';
  const decoded = decodeYaml(text);
  expect(decoded.ok && decoded.value).toEqual({
    a: '2026-01-01',
    b: 1.5,
    c: true,
    d: null,
    1: 'x',
    base: { x: 1 },
    merged: { x: 1, z: 2 },
  });
});

test('what aliases share in YAML is no longer shared', () => {
  const decoded = decodeYaml('a: &x {k: 1}\nb: *x\n');
  const value = (decoded.ok ? decoded.value : undefined) as { a: object; b: object };
  expect(value).toEqual({ a: { k: 1 }, b: { k: 1 } });
  expect(value.a).not.toBe(value.b);
});

test('aliases that expand without end are refused', () => {
  const lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]'];
  for (let i = 1; i < 10; i++) lines.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(10)}]`);
  const decoded = decodeYaml(lines.join('\n'));
  expect(decoded.ok).toBe(false);
});

test.each([['a: [1'], ['a: 1\na: ]'], ['\ta: 1']])('the YAML %j is refused', (text) => {
  const decoded = decodeYaml(text);
  expect(decoded.ok ? '' : decoded.error).toMatch(/^error converting YAML to JSON: yaml: /);
});

test.each([
  ['a: 1\na: 2\n', { a: 2 }, ['line 2: key "a"']],
  [
    'spec:\n  x: &one\n    y: 1\n  list:\n  - k: 1\n    k: 2\n  x: *one\nspec:\n  z: 1\n',
    { spec: { z: 1 } },
    ['line 6: key "k"', 'line 7: key "x"', 'line 9: key "spec"'],
  ],
  ['{"a":1,\n"b":{},"a":3}', { a: 3, b: {} }, ['line 2: key "a"']],
])('of keys that come twice in the YAML %j the last value counts', (text, value, problems) => {
  const expected = { ok: true, value, duplicates: [] };
  expect(decodeYaml(text)).toEqual(expected);
  const lines = problems.map((problem) => `  ${problem} already set in map`).join('\n');
  expect(decodeYaml(text, { findDuplicates: true })).toEqual({
    ...expected,
    yamlDuplicates: `yaml: unmarshal errors:\n${lines}`,
  });
});

test('what a merge brings is a key like others, also to the strict decoder', () => {
  const text = 'base: &base\n  a: 1\nx:\n  <<: *base\n  a: 2\n';
  expect(decodeYaml(text, { findDuplicates: true })).toEqual({
    ok: true,
    value: { base: { a: 1 }, x: { a: 2 } },
    duplicates: [],
    yamlDuplicates: 'yaml: unmarshal errors:\n  line 5: key "a" already set in map',
  });
});

test('text in UTF-16 is read when it begins with its byte order mark', () => {
  const expected = { ok: true, value: { a: 'é' }, duplicates: [] };
  const little = Buffer.from('\ufeffa: é\n', 'utf16le');
  expect(decodeYaml(little)).toEqual(expected);
  expect(decodeYaml(Buffer.from(little).swap16())).toEqual(expected);
  expect(decodeYaml(Buffer.from('\ufeffa: é\n'))).toEqual(expected);
});

test('of many keys that come twice a hundred are told, however deep they are', () => {
  const many = decodeYaml('a: 1\n'.repeat(150), { findDuplicates: true });
  expect(many.ok && many.yamlDuplicates?.split('\n').length).toBe(101);
  const deep = `${'['.repeat(500)}{a: 1, a: 2}${']'.repeat(500)}`;
  expect(decodeYaml(deep, { findDuplicates: true })).toMatchObject({
    ok: true,
    yamlDuplicates: 'yaml: unmarshal errors:\n  line 1: key "a" already set in map',
  });
});

test.each([
  ['{"a":9007199254740991}', 9007199254740991],
  ['{"a":-9007199254740992}', -9007199254740992],
  ['{"a":1152921504606846976}', 2 ** 60],
  ['{"a":0.12345678901234566}', 0.12345678901234566],
  ['{"a":"9007199254740993"}', '9007199254740993'],
  ['{"a":-0}', -0],
  ['{"a":1e2}', 100],
])('%s is held exactly', (text, a) => {
  expect(decodeJson(bytes(text))).toMatchObject({ ok: true, value: { a }, duplicates: [] });
});

test('of numbers that are no plain integers it is kept how they are written', () => {
  const decoded = decodeJson(bytes('{"a":1,"b":-2.50 ,"c":[3,1E+2\n],"d":"1.0,","e":{"a":1e0}}'));
  const value = { a: 1, b: -2.5, c: [3, 100], d: '1.0,', e: { a: 1 } };
  if (!decoded.ok) throw new Error(decoded.error);
  expect(decoded.value).toEqual(value);
  const { c, e } = decoded.value as typeof value;
  expect(decoded.numbers?.get(decoded.value as object)).toEqual(new Map([['b', '-2.50']]));
  expect(decoded.numbers?.get(c)).toEqual(new Map([['1', '1E+2']]));
  expect(decoded.numbers?.get(e)).toEqual(new Map([['a', '1e0']]));
  for (const plain of ['{"a":1}', '{"a":"1.0,","b":[-1]}', '{"image":"a:1.25"}']) {
    expect(decodeJson(bytes(plain))).not.toHaveProperty('numbers');
  }
});

test.each(['9007199254740993', '-9007199254740993', '9223372036854775807', '100000000000000000001'])(
  'the integer %s, which would be another one, is refused',
  (number) => {
    const error = `json: cannot unmarshal number ${number} into Go value of type int64`;
    expect(decodeJson(bytes(`{"a":[{"b":${number}}]}`))).toEqual({ ok: false, error });
    expect(decodeYaml(`a: [{b: ${number}}]`)).toEqual({ ok: false, error: `error converting YAML to JSON: ${error}` });
  },
);

test('of several documents the first counts', () => {
  expect(decodeYaml('---\na: 1\n---\nb: 2\n')).toEqual({ ok: true, value: { a: 1 }, duplicates: [] });
  expect(decodeYaml('')).toEqual({ ok: true, value: null, duplicates: [] });
});

/** A JSON number of up to 22 digits, with or without a fraction and an exponent. */
function randomNumber(random: Random): string {
  const digits = (max: number): string =>
    Array.from({ length: 1 + randomInt(random, max) }, () => randomInt(random, 10)).join('');
  const whole = digits(22).replace(/^0+(?=\d)/, '');
  const fraction = random.next() < 0.3 ? `.${digits(10)}` : '';
  const exponent = random.next() < 0.2 ? `e${randomInt(random, 700) - 350}` : '';
  return `${random.next() < 0.3 ? '-' : ''}${whole}${fraction}${exponent}`;
}

test('random numbers come out as they went in, or are refused', () => {
  const random = new SeededRandom(8);
  for (let i = 0; i < 20_000; i++) {
    const number = randomNumber(random);
    const decoded = decodeJson(bytes(`{"a":[${number}]}`));
    const isInteger = /^-?\d+$/.test(number);
    if (!decoded.ok) {
      const type = isInteger ? 'int64' : 'float64';
      expect(decoded.error).toBe(`json: cannot unmarshal number ${number} into Go value of type ${type}`);
      expect(isInteger ? BigInt(Number(number)) !== BigInt(number) : !Number.isFinite(Number(number)), number).toBe(
        true,
      );
    } else {
      const [value] = (decoded.value as { a: number[] }).a;
      expect(value, number).toBe(Number(number));
      if (isInteger) expect(BigInt(value!), number).toBe(BigInt(number));
    }
  }
});
