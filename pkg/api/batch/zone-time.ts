/** What clocks on the wall show in a time zone. Pure but for the zones that the runtime knows. Upstream counterpart: Go's `time.Location`. */

/** What a clock on the wall shows. */
export interface ZoneTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

/** The clocks of one time zone. */
export interface WallClock {
  at(epochMs: number): ZoneTime;
  /** The first moment of a day, in milliseconds since the epoch; days and months beyond the last are those of the next month or year. */
  startOfDay(year: number, month: number, day: number): number;
  /** Milliseconds that its clocks are ahead of UTC at that time. */
  offsetMs(epochMs: number): number;
}

const hourMs = 3_600_000;

/** Clocks by zone: making one takes longer than reading it. Bounded by the zones that there are. */
const clocks = new Map<string, WallClock>();

/** The clocks of a zone. Throws a `RangeError` for a zone that is not known. */
export function wallClockOf(zone: string): WallClock {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  const clock = zone === 'UTC' ? utc : zonedClock(zone);
  clocks.set(zone, clock);
  return clock;
}

function fieldsOf(utcMs: number): ZoneTime {
  const date = new Date(utcMs);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
  };
}

const utc: WallClock = {
  at: fieldsOf,
  startOfDay: (year, month, day) => Date.UTC(year, month - 1, day),
  offsetMs: () => 0,
};

function zonedClock(zone: string): WallClock {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const offsetMs = (epochMs: number): number => {
    const parts = Object.fromEntries(format.formatToParts(epochMs).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(epochMs / 1_000) * 1_000;
  };
  const at = (epochMs: number): ZoneTime => fieldsOf(epochMs + offsetMs(epochMs));
  return {
    at,
    offsetMs,
    startOfDay: (year, month, day) => {
      const midnight = Date.UTC(year, month - 1, day);
      const guess = midnight - offsetMs(midnight);
      const ms = midnight - offsetMs(guess);
      // Where midnight is left out the day begins an hour later.
      const { hour } = at(ms);
      if (hour === 0) return ms;
      return hour > 12 ? ms + (24 - hour) * hourMs : ms - hour * hourMs;
    },
  };
}

/** A time as RFC 3339 in a zone: with `Z` in UTC, with its offset elsewhere. */
export function formatInZone(epochMs: number, zone: string): string {
  const offsetMs = wallClockOf(zone).offsetMs(epochMs);
  const text = new Date(epochMs + offsetMs).toISOString().slice(0, 19);
  if (offsetMs === 0) return `${text}Z`;
  const minutes = Math.abs(offsetMs) / 60_000;
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${text}${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
