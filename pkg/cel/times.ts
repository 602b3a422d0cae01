/**
 * Points in time and spans of it: reading, writing, and what a calendar in a zone says of them. Pure.
 * Source: cel-spec `langdef.md#timestamps`; cel-go `common/types/{timestamp,duration}.go`; Go `time.ParseDuration`.
 */
import { Duration, EvaluationError, Timestamp } from './values.ts';

const nanosPerMs = 1_000_000n;
const nanosPerSecond = 1_000_000_000n;
const int64Max = 2n ** 63n - 1n;
/** From the year 1 to 9999. */
const timestampMin = -62_135_596_800n * nanosPerSecond;
const timestampMax = 253_402_300_799n * nanosPerSecond + 999_999_999n;

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** The point that an RFC 3339 text means; undefined when it is none. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second);
  const offsetMinutes = (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)) * (match[8] === '-' ? -1 : 1);
  const fraction = BigInt((match[7] ?? '').padEnd(9, '0'));
  const nanos = BigInt(date.getTime() - offsetMinutes * 60_000) * nanosPerMs + fraction;
  return nanos < timestampMin || nanos > timestampMax ? undefined : new Timestamp(nanos);
}

/** A point that the range of the type has. Throws for others. */
export function checkedTimestamp(nanos: bigint): Timestamp {
  if (nanos < timestampMin || nanos > timestampMax) throw new EvaluationError('timestamp overflow');
  return new Timestamp(nanos);
}

/** A span that the range of the type has. Throws for others. */
export function checkedDuration(nanos: bigint): Duration {
  if (nanos > int64Max || nanos < -int64Max - 1n) throw new EvaluationError('duration overflow');
  return new Duration(nanos);
}

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: nanosPerMs,
  s: nanosPerSecond,
  m: 60n * nanosPerSecond,
  h: 3600n * nanosPerSecond,
};

const durationPart = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;

/** The span that a text such as `1h30m` means; undefined when it is none, or is beyond 64 bits. */
export function parseSpan(text: string): Duration | undefined {
  const isNegative = text.startsWith('-');
  const rest = /^[-+]/.test(text) ? text.slice(1) : text;
  if (rest === '0') return new Duration(0n);
  if (rest === '') return undefined;
  let total = 0n;
  durationPart.lastIndex = 0;
  while (durationPart.lastIndex < rest.length) {
    const match = durationPart.exec(rest);
    const unit = match === null ? undefined : unitNanos[match[3] ?? ''];
    const [whole = '', fraction = ''] = [match?.[1], match?.[2]];
    if (unit === undefined || whole + fraction === '') return undefined;
    total += BigInt(whole || '0') * unit;
    const digits = fraction.slice(0, 18);
    if (digits !== '') total += (BigInt(digits) * unit) / 10n ** BigInt(digits.length);
  }
  return total > int64Max ? undefined : new Duration(isNegative ? -total : total);
}

/** Digits after the point, without zeros at their end. */
function fractionText(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

/** As RFC 3339 has it, in UTC. */
export function timestampText({ nanos }: Timestamp): string {
  const fraction = ((nanos % nanosPerSecond) + nanosPerSecond) % nanosPerSecond;
  const date = new Date(Number((nanos - fraction) / nanosPerMs));
  return `${date.toISOString().slice(0, 19)}${fractionText(fraction)}Z`;
}

/** In seconds, as protobuf has it in JSON: `90s`, `1.5s`. */
export function durationText({ span }: Duration): string {
  const size = span < 0n ? -span : span;
  return `${span < 0n ? '-' : ''}${size / nanosPerSecond}${fractionText(size % nanosPerSecond)}s`;
}

/** What a calendar shows. Months, days of the month, of the week and of the year count from zero. */
export interface CalendarTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  readonly dayOfYear: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  readonly milliseconds: number;
}

const fixedOffset = /^([+-]?)(\d\d):(\d\d)$/;

/** What a calendar shows in a zone: `UTC`, a name of the IANA data base, or an offset such as `-05:30`. Throws for a zone that is none. */
export function calendarTime({ nanos }: Timestamp, zone: string): CalendarTime {
  const ms = Number(nanos / nanosPerMs) - (nanos % nanosPerMs < 0n ? 1 : 0);
  const date = new Date(ms + offsetMs(ms, zone));
  const newYear = new Date(date);
  newYear.setUTCMonth(0, 1);
  newYear.setUTCHours(0, 0, 0, 0);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth(),
    day: date.getUTCDate() - 1,
    weekday: date.getUTCDay(),
    dayOfYear: Math.floor((date.getTime() - newYear.getTime()) / 86_400_000),
    hours: date.getUTCHours(),
    minutes: date.getUTCMinutes(),
    seconds: date.getUTCSeconds(),
    milliseconds: date.getUTCMilliseconds(),
  };
}

function offsetMs(ms: number, zone: string): number {
  if (zone === '' || zone === 'UTC') return 0;
  const match = fixedOffset.exec(zone);
  if (match !== null) {
    const minutes = Number(match[2]) * 60 + Number(match[3]);
    return (match[1] === '-' ? -1 : 1) * minutes * 60_000;
  }
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  } catch {
    throw new EvaluationError(`unknown time zone ${zone}`);
  }
  const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const shown = /([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name);
  if (shown === null) return 0;
  const seconds = Number(shown[2]) * 3600 + Number(shown[3]) * 60 + Number(shown[4] ?? 0);
  return (shown[1] === '-' ? -1 : 1) * seconds * 1000;
}
