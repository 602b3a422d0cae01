/** Bodies that mean harm, for the fuzzer of every endpoint: nested, cut off, confused in their types, huge, and those that grow when they are read. */
import { type Random, randomInt } from '#pkg/base/random.ts';
import { pick } from './fuzz-objects.ts';

/** A body and what it says it is. */
export interface HostileBody {
  readonly type: string;
  readonly text: string | Uint8Array;
}

const json = 'application/json';
const yaml = 'application/yaml';
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
] as const;

/** One of those: `object` is near to what the endpoint takes. */
export function hostileBody(random: Random, object: object, isPatch: boolean): HostileBody {
  const type = isPatch ? pick(random, patchTypes) : json;
  const text = JSON.stringify(object);
  // Only where some are accepted is there anything to change.
  if (randomInt(random, 5) === 0) return { type, text };
  switch (randomInt(random, 11)) {
    case 0:
      return { type, text: nested(random) };
    case 1:
      return { type, text: text.slice(0, randomInt(random, text.length)) };
    case 2:
    case 3:
    case 4:
      return { type, text: JSON.stringify(confused(object, random)) };
    case 5:
      return { type: isPatch ? 'application/apply-patch+yaml' : yaml, text: pick(random, bombs) };
    case 6:
      return { type: 'application/vnd.kubernetes.protobuf', text: protobuf(random, text) };
    case 7:
      return { type, text: text.replace('{', `{${pick(random, polluting)},`) };
    case 8:
      return { type, text: randomInt(random, 40) === 0 ? huge(text) : text.repeat(1 + randomInt(random, 3)) };
    case 9:
      return {
        type: pick(random, ['', ';', 'application/json;charset=utf-16', 'text/html', 'application/cbor']),
        text,
      };
    default:
      return { type, text: noise(random) };
  }
}

function nested(random: Random): string {
  const depth = pick(random, [10, 999, 10_001, 60_000]);
  const [open, close] = pick(random, [
    ['[', ']'],
    ['{"a":', '}'],
    ['{"metadata":', '}'],
    ['{"spec":[', ']}'],
  ] as const);
  const isClosed = random.next() < 0.7;
  return `${open.repeat(depth)}1${isClosed ? close.repeat(depth) : ''}`;
}

/** The same with something else in some places. */
function confused(value: unknown, random: Random): unknown {
  if (randomInt(random, 6) === 0) return pick(random, odd);
  if (Array.isArray(value)) return value.map((item) => confused(item, random));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, confused(item, random)]));
}

const odd: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  9_007_199_254_740_992,
  '',
  '\ud800',
  '\u0000\r\nx: y',
  'x'.repeat(5_000),
  [],
  [[[[[]]]]],
  {},
  { '': {} },
  { ['__proto__']: { polluted: 1 } },
  { constructor: { prototype: { polluted: 1 } } },
  '9'.repeat(400),
  '(a+)+$',
];

const polluting = [
  '"__proto__":{"polluted":1}',
  '"constructor":{"prototype":{"polluted":1}}',
  '"metadata":{"__proto__":{"polluted":1}}',
  '"toString":1,"hasOwnProperty":null',
] as const;

/** Ten lists of ten of the one before. */
const laughs = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
  .split('')
  .map((name, at) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefghij'[at]}`).join(',')}]`)
  .join('\n')}\n`;

const bombs = [
  laughs,
  'a: &a\n  b: *a\n',
  `${'- '.repeat(20_000)}x`,
  `${'['.repeat(20_000)}`,
  `? ${'{'.repeat(5_000)}`,
  `<<: [${'{},'.repeat(20_000)}]`,
  '!!js/function "return 1"',
  '!!binary "////"\n',
  '%YAML 9.9\n---\na: 1',
  '--- |\n---\n...\n',
] as const;

/** After the four bytes by which the form is known. */
function protobuf(random: Random, text: string): Uint8Array {
  const rest = Buffer.from(random.next() < 0.5 ? noise(random) : text, 'latin1');
  return Buffer.concat([Buffer.from('k8s\0', 'latin1'), rest.subarray(0, randomInt(random, rest.length + 1))]);
}

/** More than an object may have, and more than a body may have. */
function huge(text: string): string {
  return text.replace('{', `{"x":"${'x'.repeat(3_200_000)}",`);
}

function noise(random: Random): string {
  return Array.from({ length: randomInt(random, 60) }, () => String.fromCharCode(randomInt(random, 256))).join('');
}
