/**
 * Cron schedules: five fields, or a name such as `@daily` or `@every 1h30m`, read and asked for the next time. Pure.
 * Source: `robfig/cron` v3 `ParseStandard` and `SpecSchedule.Next`, which upstream's API server and controller both use.
 */
import { parseDuration } from '#pkg/apimachinery/time.ts';
import { wallClockOf, type ZoneTime } from './zone-time.ts';

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Minute, hour, day of the month, month, day of the week. */
const fieldBounds: readonly Bounds[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: monthNames },
  { min: 0, max: 6, names: dayNames },
];

const named: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** A day that is farther away than this many years is never looked for: 29 February comes within it, 30 February does not. */
const yearsAheadMax = 5;
const minuteMs = 60_000;

/** When something is to happen again and again. */
export interface Schedule {
  /** The first time after `afterMs`, in milliseconds since the epoch; undefined when there is none within five years. */
  next(afterMs: number): number | undefined;
}

/** A schedule, or why a text is none. */
export type ParsedSchedule = { readonly schedule: Schedule } | { readonly problem: string };

/** Reads a schedule. `zone` is the name of a time zone that must exist; default UTC. A zone in front of the text takes its place. */
export function parseSchedule(text: string, zone = 'UTC'): ParsedSchedule {
  const prefix = /^(?:CRON_)?TZ=(\S*)\s*/.exec(text);
  const bare = prefix === null ? text : text.slice(prefix[0].length);
  if (bare.startsWith('@every ')) return parseEvery(bare);
  if (bare.startsWith('@') && !Object.hasOwn(named, bare)) return { problem: `unrecognized descriptor: ${bare}` };
  const texts = (named[bare] ?? bare).split(/\s+/).filter((field) => field !== '');
  if (texts.length !== fieldBounds.length) {
    return { problem: `expected exactly 5 fields, found ${texts.length}: [${texts.join(' ')}]` };
  }
  const fields: Field[] = [];
  for (const [index, field] of texts.entries()) {
    const parsed = parseField(field, fieldBounds[index]!);
    if (typeof parsed === 'string') return { problem: parsed };
    fields.push(parsed);
  }
  const [minute, hour, day, month, weekday] = fields as [Field, Field, Field, Field, Field];
  return { schedule: new FieldSchedule({ minute, hour, day, month, weekday }, prefix?.[1] ?? zone) };
}

function parseEvery(text: string): ParsedSchedule {
  const duration = text.slice('@every '.length);
  const nanoseconds = parseDuration(duration);
  if (nanoseconds === undefined) {
    return { problem: `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(duration)}` };
  }
  const everyMs = Math.max(1, Math.floor(nanoseconds / 1e9)) * 1_000;
  return { schedule: { next: (afterMs) => Math.floor(afterMs / 1_000) * 1_000 + everyMs } };
}

interface Field {
  readonly values: ReadonlySet<number>;
  /** Whether a star or question mark leaves it open. */
  readonly isOpen: boolean;
}

/** A field, or what is wrong with it. */
function parseField(text: string, bounds: Bounds): Field | string {
  const values = new Set<number>();
  let isOpen = false;
  for (const part of text.split(',')) {
    if (part === '') continue;
    const range = parseRange(part, bounds);
    if (typeof range === 'string') return range;
    for (let value = range.first; value <= range.last; value += range.step) values.add(value);
    isOpen ||= range.isOpen;
  }
  return { values, isOpen };
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly step: number;
  readonly isOpen: boolean;
}

function parseRange(text: string, bounds: Bounds): Range | string {
  const [span = '', stepText, ...more] = text.split('/');
  const ends = span.split('-');
  const isStar = ends[0] === '*' || ends[0] === '?';
  if (!isStar && ends.length > 2) return `too many hyphens: ${text}`;
  const limits = isStar ? [bounds.min, bounds.max] : ends.map((end) => numberOf(end, bounds));
  const bad = limits.indexOf(undefined);
  if (bad >= 0) return notANumber(ends[bad]!);
  const [first = 0, end = first] = limits as readonly number[];
  if (more.length > 0) return `too many slashes: ${text}`;
  const step = stepText === undefined ? 1 : wholeNumber(stepText);
  if (step === undefined) return notANumber(stepText!);
  // A number and a step: from there to the end.
  const last = stepText !== undefined && ends.length === 1 ? bounds.max : end;
  if (first < bounds.min) return `beginning of range (${first}) below minimum (${bounds.min}): ${text}`;
  if (last > bounds.max) return `end of range (${last}) above maximum (${bounds.max}): ${text}`;
  if (first > last) return `beginning of range (${first}) beyond end of range (${last}): ${text}`;
  if (step === 0) return `step of range should be a positive number: ${text}`;
  return { first, last, step, isOpen: isStar && step === 1 };
}

function notANumber(text: string): string {
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}

function wholeNumber(text: string): number | undefined {
  return /^\+?\d+$/.test(text) ? Number(text) : undefined;
}

function numberOf(text: string, { names, min }: Bounds): number | undefined {
  const position = names.indexOf(text.toLowerCase());
  return position >= 0 ? position + min : wholeNumber(text);
}

interface Fields {
  readonly minute: Field;
  readonly hour: Field;
  readonly day: Field;
  readonly month: Field;
  readonly weekday: Field;
}

/** Hours that a time zone leaves out are not caught up, and hours that it has twice count twice. */
class FieldSchedule implements Schedule {
  readonly #fields: Fields;
  readonly #zone: string;

  constructor(fields: Fields, zone: string) {
    this.#fields = fields;
    this.#zone = zone;
  }

  next(afterMs: number): number | undefined {
    const { month, hour, minute } = this.#fields;
    const clock = wallClockOf(this.#zone);
    let ms = (Math.floor(afterMs / minuteMs) + 1) * minuteMs;
    const lastYear = clock.at(ms).year + yearsAheadMax;
    for (;;) {
      const now = clock.at(ms);
      if (now.year > lastYear) return undefined;
      if (!month.values.has(now.month)) ms = clock.startOfDay(now.year, now.month + 1, 1);
      else if (!this.#isDay(now)) ms = clock.startOfDay(now.year, now.month, now.day + 1);
      else if (!hour.values.has(now.hour)) ms += (60 - now.minute) * minuteMs;
      else if (!minute.values.has(now.minute)) ms += minutesUntil(minute.values, now.minute) * minuteMs;
      else return ms;
    }
  }

  /** Where both days are limited, one of them is enough. */
  #isDay({ day, weekday }: ZoneTime): boolean {
    const fields = this.#fields;
    const [isDay, isWeekday] = [fields.day.values.has(day), fields.weekday.values.has(weekday)];
    return fields.day.isOpen || fields.weekday.isOpen ? isDay && isWeekday : isDay || isWeekday;
  }
}

/** Minutes until the next of the values within the hour, or until the next hour. */
function minutesUntil(values: ReadonlySet<number>, minute: number): number {
  for (let later = minute + 1; later < 60; later++) if (values.has(later)) return later - minute;
  return 60 - minute;
}
