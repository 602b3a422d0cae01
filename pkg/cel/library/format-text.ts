/** `'%s is %d'.format([…])`. Source: cel-go `ext/formatting.go`, `ext/formatting_v2.go`. */
import { durationText, timestampText } from '../times.ts';
import { typeText } from '../types.ts';
import {
  Duration,
  EvaluationError,
  ListValue,
  MapValue,
  Timestamp,
  TypeValue,
  typeOf,
  Uint,
  type Value,
} from '../values.ts';

/** Most digits behind the point. */
const precisionMax = 100;

const clause = /%(?:\.(\d+))?([a-zA-Z%])/g;

/** The text with the arguments in the places of its clauses. */
export function formatText(text: string, args: ListValue): string {
  let used = 0;
  const shown = text.replace(clause, (_, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (used >= args.size) throw new EvaluationError(`index ${used} out of range`);
    return formatOne(verb, args.at(used++), precision === undefined ? undefined : Number(precision));
  });
  if (used < args.size)
    throw new EvaluationError(`too many arguments supplied to string.format (expected ${used}, got ${args.size})`);
  return shown;
}

function formatOne(verb: string, value: Value, precision: number | undefined): string {
  switch (verb) {
    case 's':
      return plain(value);
    case 'd':
      return decimal(value);
    case 'f':
    case 'e':
      return broken(verb, value, precision ?? 6);
    case 'b':
      if (typeof value === 'boolean') return value ? '1' : '0';
      return inBase(value, 2, verb);
    case 'o':
      return inBase(value, 8, verb);
    case 'x':
      return hex(value);
    case 'X':
      return hex(value).toUpperCase();
    default:
      throw new EvaluationError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
  }
}

function misused(verb: string, wanted: string, value: Value): EvaluationError {
  return new EvaluationError(
    `error during formatting: ${verb} clause can only be used on ${wanted}, was given ${typeText(typeOf(value))}`,
  );
}

function integerOf(value: Value): bigint | undefined {
  return value instanceof Uint ? value.value : typeof value === 'bigint' ? value : undefined;
}

function decimal(value: Value): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return plain(value);
  const integer = integerOf(value);
  if (integer === undefined) throw misused('decimal', 'integers', value);
  return String(integer);
}

function inBase(value: Value, base: number, verb: string): string {
  const integer = integerOf(value);
  if (integer === undefined) throw misused(verb === 'b' ? 'binary' : 'octal', 'integers', value);
  return integer.toString(base);
}

function hex(value: Value): string {
  if (typeof value === 'string') return Buffer.from(value).toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  const integer = integerOf(value);
  if (integer === undefined) throw misused('hex', 'integers, byte buffers, and strings', value);
  return integer.toString(16);
}

function broken(verb: string, value: Value, precision: number): string {
  const number = typeof value === 'number' ? value : Number(integerOf(value) ?? Number.NaN);
  if (typeof value !== 'number' && integerOf(value) === undefined) {
    throw misused(verb === 'f' ? 'fixed-point' : 'scientific', 'doubles', value);
  }
  if (precision > precisionMax) throw new EvaluationError(`precision ${precision} is beyond ${precisionMax}`);
  if (!Number.isFinite(number)) return plain(number);
  if (verb === 'f') return fixedPoint(number, precision);
  return number.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2');
}

/** What lies just between two is rounded to the even one, as Go does. */
function fixedPoint(number: number, precision: number): string {
  if (Math.abs(number) >= 1e21) return `${BigInt(number)}${precision > 0 ? `.${'0'.repeat(precision)}` : ''}`;
  const scale = 10 ** precision;
  const steps = number * scale;
  const isTie = Math.abs(steps % 1) === 0.5 && steps / scale === number && precision <= 15;
  return (isTie ? (2 * Math.round(steps / 2)) / scale : number).toFixed(precision);
}

/** As `%s` shows it. */
function plain(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'number')
    return Number.isNaN(value) ? 'NaN' : Number.isFinite(value) ? String(value) : value > 0 ? 'Infinity' : '-Infinity';
  if (typeof value !== 'object') return String(value);
  if (value instanceof ListValue) return `[${Array.from(value, plain).join(', ')}]`;
  if (value instanceof MapValue) {
    const entries = Array.from(value.keys(), (key) => [plain(key), plain(value.find(key) ?? null)] as const);
    return `{${entries
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => `${key}: ${one}`)
      .join(', ')}}`;
  }
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof TypeValue) return typeText(value.type);
  throw misused('string', 'strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps', value);
}
