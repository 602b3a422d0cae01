/**
 * Times and durations as the API writes them. All functions are pure: the current time is an argument.
 * Upstream counterpart: `meta/v1` `Time` and `MicroTime`, apimachinery `util/duration`, Go's `time`.
 */

const timePattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))$/;

interface Instant {
  /** Milliseconds since the epoch of the whole second. */
  readonly secondMs: number;
  /** Digits after the second. */
  readonly fraction: string;
}

function parseInstant(text: string): Instant | undefined {
  const match = timePattern.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  if (day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  let secondMs = date.getTime();
  if (match[8] !== undefined) {
    const offsetMinutes = Number(match[9]) * 60 + Number(match[10]);
    if (Number(match[9]) > 24 || Number(match[10]) > 59) return undefined;
    secondMs -= (match[8] === '+' ? 1 : -1) * offsetMinutes * 60_000;
  }
  return { secondMs, fraction: match[7] ?? '' };
}

/** Milliseconds since the epoch that an RFC 3339 text means, with fractions cut to milliseconds; undefined when it is none. */
export function parseTime(text: string): number | undefined {
  const instant = parseInstant(text);
  if (instant === undefined) return undefined;
  return instant.secondMs + (instant.fraction === '' ? 0 : Number(instant.fraction.padEnd(3, '0').slice(0, 3)));
}

/** A day that there is, of any year: the 29th of February alone has to be looked up. */
const canonicalDay = String.raw`\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)`;
const canonicalSecond = String.raw`${canonicalDay}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d`;
const canonicalTime = new RegExp(`^${canonicalSecond}Z$`);
const canonicalMicroTime = new RegExp(`^${canonicalSecond}\\.\\d{6}Z$`);

/** The form in which the API answers a `Time`: UTC, whole seconds. Undefined when `text` is no time. */
export function normalizeTime(text: string): string | undefined {
  if (canonicalTime.test(text)) return text;
  const instant = parseInstant(text);
  return instant === undefined ? undefined : `${new Date(instant.secondMs).toISOString().slice(0, 19)}Z`;
}

/** The form in which the API answers a `MicroTime`: UTC, six digits. Undefined when `text` is no time with exactly six digits. */
export function normalizeMicroTime(text: string): string | undefined {
  if (canonicalMicroTime.test(text)) return text;
  const instant = parseInstant(text);
  if (instant === undefined || instant.fraction.length !== 6) return undefined;
  return `${new Date(instant.secondMs).toISOString().slice(0, 19)}.${instant.fraction}Z`;
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const yearMs = 365 * dayMs;

/**
 * A duration as `kubectl get` shows ages: `5s`, `3m10s`, `12m`, `4h12m`, `2d3h`, `45d`, `3y20d`.
 * Source: apimachinery `util/duration` `HumanDuration`.
 */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / secondMs);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(durationMs / minuteMs);
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(durationMs / hourMs);
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(durationMs / dayMs);
  if (hours < 192) return pair(days, 'd', hours % 24, 'h');
  const years = Math.floor(durationMs / yearMs);
  if (years < 2) return `${days}d`;
  if (years < 8) return pair(years, 'y', days % 365, 'd');
  return `${years}y`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}

/** The age of a timestamp as tables show it; `<unknown>` without one. */
export function humanAge(timestamp: string | undefined, nowMs: number): string {
  const sinceMs = timestamp === undefined ? undefined : parseTime(timestamp);
  return sinceMs === undefined ? '<unknown>' : humanDuration(nowMs - sinceMs);
}

const nanosecondsOf: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds that a Go duration such as `1h30m` or `-1.5s` means; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = /^[-+]/.test(text) ? text.slice(1) : text;
  if (rest === '0') return 0;
  if (rest === '') return undefined;
  let total = 0;
  const part = /^(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/;
  while (rest !== '') {
    const match = part.exec(rest);
    if (match === null) return undefined;
    total += Number(match[1]) * nanosecondsOf[match[2]!]!;
    rest = rest.slice(match[0].length);
  }
  return total > 2 ** 63 ? undefined : sign * Math.round(total);
}

/** Milliseconds that a Go duration means, a fraction below; undefined when it is none. */
export function parseDurationMs(text: string): number | undefined {
  const nanoseconds = parseDuration(text);
  return nanoseconds === undefined ? undefined : nanoseconds / 1e6;
}

/** What is wrong with a text that is no duration, in Go's words. */
export function durationError(text: string): string {
  return /^[-+]?(\d+\.?\d*|\.\d+)$/.test(text)
    ? `time: missing unit in duration ${JSON.stringify(text)}`
    : `time: invalid duration ${JSON.stringify(text)}`;
}

/** Nanoseconds as Go prints a duration: `1h30m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  const sign = nanoseconds < 0 ? '-' : '';
  const total = Math.abs(nanoseconds);
  if (total < 1e3) return `${sign}${total}ns`;
  if (total < 1e6) return `${sign}${fixed(total, 1e3)}µs`;
  if (total < 1e9) return `${sign}${fixed(total, 1e6)}ms`;
  const minutes = Math.floor(total / 60e9);
  const seconds = `${fixed(total - minutes * 60e9, 1e9)}s`;
  if (minutes === 0) return sign + seconds;
  const hours = Math.floor(minutes / 60);
  return `${sign}${hours === 0 ? '' : `${hours}h`}${minutes % 60}m${seconds}`;
}

/** `total / unit` in decimal, exactly, without trailing zeros. */
function fixed(total: number, unit: number): string {
  const whole = Math.floor(total / unit);
  const fraction = total - whole * unit;
  if (fraction === 0) return String(whole);
  const digits = String(fraction).padStart(String(unit).length - 1, '0');
  return `${whole}.${digits.replace(/0+$/, '')}`;
}
