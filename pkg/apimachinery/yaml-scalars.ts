/**
 * What scalars of YAML stand for: what Go's `yaml.v2` makes of them, for which `yes` is true, `0400` is 256 and `1:30` is text. Held to a
 * table that kubectl 1.35 wrote (`yaml.test.ts`).
 *
 * Invariant: an integer that no double holds exactly comes out as a `bigint`, never rounded.
 * Upstream counterpart: `sigs.k8s.io/yaml/goyaml.v2` `resolve.go`.
 */

/** Types that a scalar can have. `other` is a tag that Go does not know, whose scalars are text. */
export type ScalarType = 'binary' | 'bool' | 'float' | 'int' | 'null' | 'other' | 'str' | 'timestamp';

/** A scalar with the type that it was found to have. */
export interface Scalar {
  readonly type: ScalarType;
  readonly value: string | number | bigint | boolean | null;
}

/** A scalar that is not of the type that its tag says; the message is Go's, without `yaml: ` before it. */
export class ScalarError extends Error {}

/** Types by the names that follow `tag:yaml.org,2002:`. */
const typesOfTags: ReadonlyMap<string, ScalarType> = new Map(
  (['binary', 'bool', 'float', 'int', 'null', 'str', 'timestamp'] as const).map((type) => [type, type]),
);

/** The type that a tag in full names. */
export function typeOfTag(tag: string): ScalarType {
  const prefix = 'tag:yaml.org,2002:';
  return (tag.startsWith(prefix) ? typesOfTags.get(tag.slice(prefix.length)) : undefined) ?? 'other';
}

/** The words that stand for something else, as they are written. */
const words: ReadonlyMap<string, Scalar> = new Map(
  (
    [
      ['bool', true, 'y Y yes Yes YES true True TRUE on On ON'],
      ['bool', false, 'n N no No NO false False FALSE off Off OFF'],
      ['null', null, '~ null Null NULL'],
      ['float', Number.NaN, '.nan .NaN .NAN'],
      ['float', Number.POSITIVE_INFINITY, '.inf .Inf .INF +.inf +.Inf +.INF'],
      ['float', Number.NEGATIVE_INFINITY, '-.inf -.Inf -.INF'],
    ] as const
  ).flatMap(([type, value, texts]) => texts.split(' ').map((text) => [text, { type, value }] as const)),
).set('', { type: 'null', value: null });

/** What the first character of a scalar that is no plain text can be. */
const firstCharacters: ReadonlySet<string> = new Set('yYnNtTfFoO~.+-0123456789');

/** The scalar that a plain text stands for (`type` undefined), or one that has a tag. Throws `ScalarError`. */
export function resolveScalar(text: string, type?: ScalarType): Scalar {
  if (type === undefined) return plainScalar(text);
  if (type === 'other' || type === 'str') return { type, value: text };
  if (type === 'binary') return { type, value: base64Text(text) };
  if (type === 'timestamp' && timestamp.test(text)) return { type, value: text };
  const found = plainScalar(text);
  if (found.type === type) return found;
  if (type === 'float' && found.type === 'int') return { type, value: Number(found.value) };
  throw new ScalarError(`cannot decode !!${found.type} \`${text}\` as a !!${type}`);
}

/** Source: `time.go` of the same library, formats of `parseTimestamp`. */
const timestamp =
  /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?)?$/;

function plainScalar(text: string): Scalar {
  if (text !== '' && !firstCharacters.has(text[0]!)) return { type: 'str', value: text };
  return words.get(text) ?? number(text) ?? { type: 'str', value: text };
}

/** An integer in base 2, 8, 10 or 16. Go's own parser takes a leading zero for base 8, with or without an `o`. */
const integer = /^([-+]?)(0[bB][01]+|0[xX][\da-fA-F]+|0[oO]?[0-7]+|0|[1-9]\d*)$/;
const float = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;
/** What begins with a dot goes to Go's parser of numbers as it is, which takes single underscores between digits. */
const dotFloat = /^\.\d(?:_?\d)*(?:[eE][-+]?\d(?:_?\d)*)?$/;

function number(text: string): Scalar | undefined {
  if (text[0] === '.') return dotFloat.test(text) ? finite(text.replaceAll('_', '')) : undefined;
  const plain = text.replaceAll('_', '');
  const match = integer.exec(plain);
  if (match !== null) {
    const value = bigInteger(match[1]!, match[2]!);
    // Beyond 64 bits only decimal digits are a number, to Go a float.
    if (value !== undefined) return exact(value);
  }
  if (!float.test(plain)) return undefined;
  // Digits alone are a whole number to whoever wrote them: they are refused, where Go rounds.
  return /^[-+]?\d+$/.test(plain) ? exact(BigInt(plain)) : finite(plain);
}

/** The value of an integer, which has 64 bits: with a sign down to -2^63 and up to 2^63 - 1, without one up to 2^64 - 1. */
function bigInteger(sign: string, digits: string): bigint | undefined {
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = sign === '-' ? -magnitude : magnitude;
  const max = sign === '' ? 2n ** 64n - 1n : 2n ** 63n - 1n;
  return value >= -(2n ** 63n) && value <= max ? value : undefined;
}

function exact(value: bigint): Scalar {
  return { type: 'int', value: BigInt(Number(value)) === value ? Number(value) : value };
}

function finite(text: string): Scalar | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? { type: 'float', value } : undefined;
}

/** The text that base 64 stands for. Source: Go's `encoding/base64`, `StdEncoding`: padded, with line breaks anywhere. */
function base64Text(text: string): string {
  const digits = text.replaceAll(/[\r\n]/g, '');
  if (!/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/.test(digits))
    throw new ScalarError('!!binary value contains invalid base64 data');
  return Buffer.from(digits, 'base64').toString('utf8');
}

/** The key of a JSON object that a scalar is as a key of a mapping. Throws `ScalarError` for what JSON has no key for. */
export function keyText({ type, value }: Scalar): string {
  if (value === null) throw new ScalarError('unsupported map key of type: %!s(<nil>), key: <nil>');
  if (typeof value === 'bigint' && value >= 2n ** 63n)
    throw new ScalarError(`unsupported map key of type: uint64, key: 0x${value.toString(16)}`);
  if (type !== 'float') return String(value);
  return float32Text(Number(value));
}

/**
 * A number as Go prints it in the fewest digits from which its 32-bit form comes back: `1.5`, `1e+21`, `1.2345679e+08`. Source:
 * `sigs.k8s.io/yaml` `convertToJSONableObject`, which formats keys with `'g', -1, 32`.
 */
function float32Text(value: number): string {
  const narrow = Math.fround(value);
  if (Number.isNaN(narrow)) return '.nan';
  if (!Number.isFinite(narrow)) return narrow > 0 ? '.inf' : '-.inf';
  if (narrow === 0) return Object.is(narrow, -0) ? '-0' : '0';
  let digits = 1;
  while (digits < 9 && Math.fround(Number(narrow.toExponential(digits - 1))) !== narrow) digits++;
  const [mantissa, exponent] = narrow.toExponential(digits - 1).split('e');
  // Without a precision Go decides as if it were 6.
  const power = Number(exponent);
  if (power < -4 || power >= 6) {
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return String(Number(narrow.toExponential(digits - 1)));
}
