/**
 * What YAML means, as kubectl 1.35 told it: `kubectl label --local -f - -o json` was given a ConfigMap with the scalar as the value of a field.
 * Numbers stand here as kubectl prints them.
 */
import { expect, test } from 'vitest';
import { decodeYaml } from './decode.ts';
import { readYaml, YamlError } from './yaml.ts';

/** The value of a field that is written so. */
function read(text: string): unknown {
  const decoded = decodeYaml(`metadata: {name: x}\nfield: ${text}\n`);
  return decoded.ok ? (decoded.value as { field?: unknown }).field : { refused: decoded.error };
}

/** YAML, an arrow, JSON. */
const asKubectl = `
0400 => 256
0644 => 420
0o400 => 256
0O17 => 15
0o8 => "0o8"
08 => 8
09 => 9
-0400 => -256
+0400 => 256
0b11 => 3
0B11 => 3
-0b11 => -3
+0b11 => 3
0b => "0b"
0b2 => "0b2"
0x1F => 31
0X1f => 31
-0x1F => -31
0xG => "0xG"
0x => "0x"
0 => 0
-0 => 0
+0 => 0
00 => 0
007 => 7
0_7 => 7
1_000 => 1000
1__000 => 1000
_1 => "_1"
1_ => 1
-1_000 => -1000
685_230.15 => 685230.15
685.230_15e+03 => 685230.15
6.8523015e+5 => 685230.15
1e3 => 1000
1E3 => 1000
1e+3 => 1000
1e-3 => 0.001
1.e3 => 1000
1. => 1
.5 => 0.5
-.5 => -0.5
+.5 => 0.5
.5e3 => 500
.5_0 => 0.5
._5 => "._5"
._ => "._"
. => "."
.. => ".."
1.5 => 1.5
-1.5 => -1.5
+1.5 => 1.5
-0.0 => 0
0.0 => 0
1.0 => 1
1e400 => "1e400"
-1e400 => "-1e400"
1e-400 => 0
9007199254740991 => 9007199254740991
9007199254740992 => 9007199254740992
1152921504606846976 => 1152921504606846976
9223372036854775808 => 9223372036854776000
-9223372036854775808 => -9223372036854775808
18446744073709551616 => 18446744073709552000
100000000000000000000 => 100000000000000000000
0x10000000000000000 => "0x10000000000000000"
0x1p4 => "0x1p4"
0x1.8p1 => "0x1.8p1"
1p4 => "1p4"
Inf => "Inf"
inf => "inf"
Infinity => "Infinity"
NaN => "NaN"
nan => "nan"
.iNF => ".iNF"
.Nan => ".Nan"
yes => true
Yes => true
YES => true
yEs => "yEs"
y => true
Y => true
n => false
N => false
no => false
No => false
NO => false
on => true
On => true
ON => true
oN => "oN"
off => false
Off => false
OFF => false
true => true
True => true
TRUE => true
tRUE => "tRUE"
false => false
False => false
FALSE => false
null => null
Null => null
NULL => null
nULL => "nULL"
~ => null
~~ => "~~"
1:30 => "1:30"
190:20:30 => "190:20:30"
12:30:45 => "12:30:45"
20:30 => "20:30"
2026-01-01 => "2026-01-01"
2001-12-14t21:59:43.10-05:00 => "2001-12-14t21:59:43.10-05:00"
2001-12-14T21:59:43Z => "2001-12-14T21:59:43Z"
2026-1-1 => "2026-1-1"
1.2.3 => "1.2.3"
v1 => "v1"
1Gi => "1Gi"
100m => "100m"
1h => "1h"
12e03 => 12000
1e => "1e"
1e+ => "1e+"
e3 => "e3"
0.1 => 0.1
0.30000000000000004 => 0.30000000000000004
1.7976931348623157e308 => 1.7976931348623157e+308
5e-324 => 5e-324
1e21 => 1e+21
1e20 => 100000000000000000000
123e-7 => 0.0000123
0.000001 => 0.000001
0.0000001 => 1e-7
100000000000000000000.5 => 100000000000000000000
-1 => -1
+1 => 1
-- => "--"
+ => "+"
12345678901234567890.0 => 12345678901234567000
1e15 => 1000000000000000
4503599627370496.5 => 4503599627370496
0e0 => 0
0x_1 => 1
0b_1 => 1
0o_7 => 7
<< => "<<"
= => "="
"yes" => "yes"
'017' => "017"
"0x10" => "0x10"
!!str 123 => "123"
!!str yes => "yes"
!!str => ""
!!int 12 => 12
!!int "12" => 12
!!int 0400 => 256
!!float 1 => 1
!!float "1.5" => 1.5
!!float .5 => 0.5
!!bool yes => true
!!bool "yes" => true
!!null "" => null
!!null ~ => null
!!binary aGVsbG8= => "hello"
!!binary "aGVsbG8=" => "hello"
!!binary /+8= => "��"
!!timestamp 2026-01-01 => "2026-01-01"
!!timestamp "2026-01-01" => "2026-01-01"
!foo bar => "bar"
!foo 12 => "12"
! 12 => "12"
!<tag:yaml.org,2002:str> 12 => "12"
!<tag:yaml.org,2002:int> 12 => 12
!!foo 12 => "12"
!!map {a: 1} => {"a":1}
!!seq [1] => [1]
!!set {a, b} => {"a":null,"b":null}
!!omap [{a: 1}] => [{"a":1}]
!foo {a: 1} => {"a":1}
!foo [1] => [1]
!!str [1] => [1]
!!int {a: 1} => {"a":1}
!!merge << => "<<"
 => null
"" => ""
# c => null
[] => []
{} => {}
[1, yes, 0400] => [1,true,256]
[a, ] => ["a"]
{a, b} => {"a":null,"b":null}
{a: } => {"a":null}
{a} => {"a":null}
{yes: 1} => {"true":1}
{1: 2} => {"1":2}
{0x10: 1} => {"16":1}
{1.5: 3} => {"1.5":3}
{0.1: 3} => {"0.1":3}
{1e21: 1} => {"1e+21":1}
{1e3: 1} => {"1000":1}
{.inf: 1} => {".inf":1}
{.nan: 1} => {".nan":1}
{"": 1} => {"":1}
{2026-01-01: 1} => {"2026-01-01":1}
{? a : 1} => {"a":1}
{!!str 1: 2} => {"1":2}
{!!binary aGk=: 2} => {"hi":2}
{0400: 1} => {"256":1}
{-0.0: 1} => {"-0":1}
{123456789.5: 1} => {"1.2345679e+08":1}
{16777217.0: 1} => {"1.6777216e+07":1}
{on: 1, off: 2} => {"false":2,"true":1}
{a: 1, a: 2} => {"a":2}
{1: a, "1": b} => {"1":"b"}
{yes: a, "true": b} => {"true":"b"}
{yes: a, on: b} => {"true":"b"}
&a x => "x"
[&a x, *a] => ["x","x"]
[&a {b: 1}, *a] => [{"b":1},{"b":1}]
{<<: {a: 1}, b: 2} => {"a":1,"b":2}
{<<: {a: 1}, a: 2} => {"a":2}
{a: 2, <<: {a: 1}} => {"a":1}
{<<: [{a: 1}, {a: 2, b: 3}]} => {"a":1,"b":3}
{<<: [], a: 1} => {"a":1}
{<<: {a: 1}, <<: {b: 2}} => {"a":1,"b":2}
{"<<": {a: 1}} => {"<<":{"a":1}}
{!!merge <<: {a: 1}} => {"a":1}
{!!str <<: {a: 1}} => {"<<":{"a":1}}
{<<: {<<: {a: 1}, b: 2}} => {"a":1,"b":2}
{<<: &m {a: 1}, c: *m} => {"a":1,"c":{"a":1}}
[<<] => ["<<"]
'a''b' => "a'b"
a:b => "a:b"
a #b => "a"
a#b => "a#b"
! => ""
:a => ":a"
{"a":1} => {"a":1}
{"a":"b"} => {"a":"b"}
"a" #c => "a"
http://x:80/y => "http://x:80/y"
a,b => "a,b"
a]b => "a]b"
a}b => "a}b"
[a b, c] => ["a b","c"]
[http://x:1] => ["http://x:1"]
{a: http://x} => {"a":"http://x"}
😀 => "😀"
0xdeadbeef => 3735928559
1_2_3 => 123
0b1_1 => 3
-0o17 => -15
+0x1f => 31
0777 => 511
0888 => 888
012e1 => 120
1e1_0 => 10000000000
+1_0.5 => 10.5
1,000 => "1,000"
$1 => "$1"
12 13 => "12 13"
1 #c => 1
0.5.5 => "0.5.5"
-. => "-."
+. => "+."
-.5e-1 => -0.05
.e1 => ".e1"
5. => 5
5.e => "5.e"
0. => 0
00.5 => 0.5
-00.5 => -0.5
007.5 => 7.5
1d => "1d"
1f => "1f"
0b12 => "0b12"
0o => "0o"
0o19 => "0o19"
null x => "null x"
true x => "true x"
-_1 => -1
1- => "1-"
2e => "2e"
e => "e"
E => "E"
0e => "0e"
y1 => "y1"
no1 => "no1"
~x => "~x"
+inf => "+inf"
-inf => "-inf"
+Infinity => "+Infinity"
0x1_F => 31
1__0.5 => 10.5
1.5_ => 1.5
1._5 => 1.5
_ => "_"
__ => "__"
+_1 => 1
`
  .trim()
  .split('\n')
  .map((line) => line.split(' => ') as [string, string]);

test.each(asKubectl)('%s is %s (fault 40, fault 15)', (yaml, json) => {
  expect(JSON.parse(JSON.stringify(read(yaml)))).toEqual(JSON.parse(json));
});

test.each<[string, unknown]>([
  ['!!binary |\n  aGVs\n  bG8=\n', 'hello'],
  ['|\n  a\n  b\n', 'a\nb\n'],
  ['>\n  a\n  b\n', 'a b\n'],
  ['>-\n  a\n\n  b\n', 'a\nb'],
  ['|+\n  a\n\n', 'a\n\n\n'],
  ['|2\n   a\n', ' a\n'],
  ['|-\n  yes', 'yes'],
  ['>\n  a\n   b\n  c\n', 'a\n b\nc\n'],
  ['"a\n  b"', 'a b'],
  ['a b\n  c', 'a b c'],
  ['a\tb', 'a\tb'],
  ['\ta', 'a'],
  ['a\t', 'a'],
  ['"\t"', '\t'],
  ['\u00a0x', '\u00a0x'],
])('%j is %j', (yaml, value) => {
  expect(read(yaml)).toEqual(value);
});

test.each<[string, string]>([
  ['.inf', 'json: unsupported value: +Inf'],
  ['-.inf', 'json: unsupported value: -Inf'],
  ['+.inf', 'json: unsupported value: +Inf'],
  ['.Inf', 'json: unsupported value: +Inf'],
  ['.INF', 'json: unsupported value: +Inf'],
  ['.nan', 'json: unsupported value: NaN'],
  ['.NaN', 'json: unsupported value: NaN'],
  ['.NAN', 'json: unsupported value: NaN'],
  ['!!int 1.5', 'yaml: cannot decode !!float `1.5` as a !!int'],
  ['!!int abc', 'yaml: cannot decode !!str `abc` as a !!int'],
  ['!!float abc', 'yaml: cannot decode !!str `abc` as a !!float'],
  ['!!bool 1', 'yaml: cannot decode !!int `1` as a !!bool'],
  ['!!null x', 'yaml: cannot decode !!str `x` as a !!null'],
  ['!!binary aGVsbG8', 'yaml: !!binary value contains invalid base64 data'],
  ['!!binary "a b"', 'yaml: !!binary value contains invalid base64 data'],
  ['!!timestamp x', 'yaml: cannot decode !!str `x` as a !!timestamp'],
  ['{yes: 1, 1: 2, 1.5: 3, null: 4}', 'unsupported map key of type: %!s(<nil>), key: <nil>'],
  ['{null: 1}', 'unsupported map key of type: %!s(<nil>), key: <nil>'],
  ['{~: 1}', 'unsupported map key of type: %!s(<nil>), key: <nil>'],
  ['{18446744073709551615: 1}', 'unsupported map key of type: uint64, key: 0xffffffffffffffff'],
  ['[*a]', "yaml: unknown anchor 'a' referenced"],
  ['[&a [*a]]', "yaml: anchor 'a' value contains itself"],
  ['&a [*a]', "yaml: anchor 'a' value contains itself"],
  ['{<<: 1}', 'yaml: map merge requires map or sequence of maps as the value'],
  ['{<<: null}', 'yaml: map merge requires map or sequence of maps as the value'],
  ['{<<: [1]}', 'yaml: map merge requires map or sequence of maps as the value'],
  ['[.5, -.inf]', 'json: unsupported value: -Inf'],
  ['{a: .nan}', 'json: unsupported value: NaN'],
])('%s is refused as kubectl refuses it: %s', (yaml, why) => {
  expect(read(yaml)).toEqual({ refused: `error converting YAML to JSON: ${why}` });
});

test.each([
  '-',
  '[a, , b]',
  '{[a]: 1}',
  '{{a: 1}: 1}',
  '"a\\qb"',
  'a: b',
  '@a',
  '`a',
  '%a',
  '*',
  '&',
  '?',
  '? a',
  '- a',
  ': a',
  '{a: b: c}',
  '[a]b',
  '"a"b',
  '\u0007',
  'Y:',
])('%j is no YAML, in other words than kubectl\u2019s', (yaml) => {
  expect(read(yaml)).toEqual({ refused: expect.stringMatching(/^error converting YAML to JSON: yaml: /) });
});

test.each([
  '123456789012345678',
  '9007199254740993',
  '-9007199254740993',
  '9223372036854775807',
  '-9223372036854775809',
  '18446744073709551615',
  '100000000000000000001',
  '0x7fffffffffffffff',
  '0777777777777777777777',
  '[{a: 9_007_199_254_740_993}]',
])('%s is refused, as no double holds it; kubectl has 64 bits and rounds beyond them (fault 40)', (yaml) => {
  expect(read(yaml)).toEqual({
    refused: expect.stringMatching(
      /^error converting YAML to JSON: json: cannot unmarshal number -?\d+ into Go value of type int64$/,
    ),
  });
});

test.each<[string, unknown]>([
  ['"\\/\\ud83d\\ude00"', '/\u{1f600}'],
  ['"\\ud800"', '\ufffd'],
])('%s, an escape of JSON, is read where kubectl refuses it', (yaml, value) => {
  expect(read(yaml)).toBe(value);
});

const documents = (text: string): readonly unknown[] => readYaml(text).map(({ value }) => value);

test.each<[string, string, unknown[]]>([
  ['a byte order mark', '\ufeffa: 1\n---\n\ufeffb: 2\n', [{ a: 1 }, { b: 2 }]],
  ['line ends of Windows', 'a: 1\r\nb: |\r\n  x\r\n---\r\nc: 3\r\n', [{ a: 1, b: 'x\n' }, { c: 3 }]],
  ['line ends of old', 'a: 1\rb: 2\r', [{ a: 1, b: 2 }]],
  ['nothing', '', []],
  ['comments alone', '# x\n', []],
  ['white space alone', '  \n\n', []],
  ['documents without content', '---\n---\n# x\n---\na: 1\n---\n\n---\n~\n', [null, null, { a: 1 }, null, null]],
  ['a comment behind the separator', 'a: 1\n--- # two\nb: 2\n', [{ a: 1 }, { b: 2 }]],
  ['a separator in a block', 'a: |\n  b\n  ---\n  c\n', [{ a: 'b\n---\nc\n' }]],
  ['an end of a document', 'a: 1\n...\n---\nb: 2\n', [{ a: 1 }, { b: 2 }]],
  ['a directive', '%YAML 1.1\n%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 12\n', [{ a: '12' }]],
  ['tabs between words', "a:\t1\nb:\n  - \t'x'\t# y\n", [{ a: 1, b: ['x'] }]],
  ['JSON after YAML', 'a: 1\n---\n{"b":2}\n', [{ a: 1 }, { b: 2 }]],
  ['anchors of one name', '- &a 1\n- &b [*a]\n- &a 2\n- *b\n- *a\n', [[1, [1], 2, [1], 2]]],
  ['anchors of another document', 'a: &x 1\n---\nb: &x 2\nc: *x\n', [{ a: 1 }, { b: 2, c: 2 }]],
  [
    'merges of merges',
    'a: &a {x: 1, v: 1}\nb: &b {<<: *a, v: 2}\nc: {<<: [*b, {z: 3, x: 9}], w: 4}\n',
    [{ a: { x: 1, v: 1 }, b: { x: 1, v: 2 }, c: { x: 1, v: 2, z: 3, w: 4 } }],
  ],
  ['__proto__', 'a: {__proto__: {b: 1}}\n', [{ a: JSON.parse('{"__proto__":{"b":1}}') }]],
])('%s', (_, text, values) => {
  expect(documents(text)).toEqual(values);
});

test.each([
  ['a document of another version', '%YAML 1.2\n---\na: 1\n', 'yaml: found incompatible YAML document'],
  ['an anchor of another document', 'a: &x 1\n---\nb: *x\n', "yaml: unknown anchor 'x' referenced"],
  ['tabs as indentation', 'a:\n\tb: 1\n', /^yaml: line 2: /],
  ['a control character', 'a: "\u001b[0m"\n', /^yaml: line 1: /],
  ['a null byte', 'a: "\u0000"\n', /^yaml: .*null byte/],
])('%s is refused', (_, text, why) => {
  expect(() => documents(text)).toThrow(YamlError);
  expect(() => documents(text)).toThrow(why);
});

test.each([
  ['a: 1\na: 2\n', ['"a" 2']],
  ['1: a\n1: b\n', ['1 2']],
  ['1: a\n"1": b\n', []],
  ['yes: 1\non: 2\n', ['true 2']],
  ['1.5: a\n1.5: b\n', ['1.5 2']],
  ['x: &b {a: 1}\ny: {<<: *b, a: 2}\n', ['"a" 2 merged']],
  ['y: {a: 2, <<: {a: 1}}\n', ['"a" 1 merged']],
  ['y: {<<: [{a: 1},{a: 2}]}\n', ['"a" 1 merged']],
  ['z:\n  a: 1\n  a: [1]\n  a: &x {b: 1}\nc: *x\nc: *x\n', ['"a" 3', '"a" 4', '"c" 6']],
])('the duplicate keys of %j are those that kubectl\u2019s strict decoder names (its preferences)', (text, found) => {
  const [document] = readYaml(text, { findDuplicates: true });
  expect(document!.duplicates.map(({ key, line, merged }) => `${key} ${line}${merged ? ' merged' : ''}`)).toEqual(
    found,
  );
});

/** Lists of ten of the list before, `levels` deep. */
const bomb = (levels: number): string =>
  Array.from(
    { length: levels },
    (_, i) =>
      `a${i}: &a${i} [${Array(10)
        .fill(i === 0 ? 'x' : `*a${i - 1}`)
        .join()}]\n`,
  ).join('');

test('aliases are followed up to a share of the document that shrinks as it grows, as Go does it', () => {
  expect(JSON.stringify(documents(bomb(3)))).toHaveLength(4_704);
  expect(() => documents(bomb(7))).toThrow('yaml: document contains excessive aliasing');
  const merges = Array.from({ length: 30 }, (_, i) => `m${i}: &m${i} {<<: [*m${i - 1}, *m${i - 1}]}\n`).slice(1);
  expect(() => documents(`m0: &m0 {a: 1}\n${merges.join('')}`)).toThrow('yaml: document contains excessive aliasing');
});

test('nesting is followed to its limit, through aliases too', () => {
  const chain = Array.from(
    { length: 40 },
    (_, i) => `a${i}: &a${i} ${'['.repeat(30)}${i === 0 ? 'x' : `*a${i - 1}`}${']'.repeat(30)}\n`,
  );
  expect(() => documents(chain.join(''))).toThrow('yaml: document contains excessive aliasing');
  expect(() => documents('['.repeat(1001))).toThrow(YamlError);
});
