/**
 * Where log lines get their form. A line is a time, a level, a constant message and fields; as text for people or as JSON
 * for programs, one line each whatever the values contain.
 */
import { type Clock, formatMicroTime } from '#pkg/base/clock.ts';
import type { LogFields, Logger } from '#pkg/base/logger.ts';

/** From the least to the most important. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
/** How important a line is. */
export type LogLevel = (typeof logLevels)[number];
/** `text` for people, `json` for programs. */
export type LogFormat = 'json' | 'text';

/** Where lines go, and which. */
export interface LoggerOptions {
  /** Takes one finished line with its newline. */
  readonly write: (line: string) => void;
  readonly clock: Clock;
  /** The least level that is written. Default `info`. */
  readonly level?: LogLevel;
  /** Default `text`. */
  readonly format?: LogFormat;
}

/** Longest value of one field in a line; more is cut off and marked, so that one object cannot flood the log. */
const valueLengthMax = 4096;

/** A logger that writes lines. Never throws because of what it is given to write. */
export function createLogger(options: LoggerOptions): Logger {
  const least = logLevels.indexOf(options.level ?? 'info');
  const render = options.format === 'json' ? renderJson : renderText;
  const make = (bound: LogFields): Logger => {
    const log = (level: LogLevel, message: string, fields: LogFields | undefined): void => {
      if (logLevels.indexOf(level) < least) return;
      const time = formatMicroTime(options.clock.nowMs());
      options.write(render({ time, level, message, fields: fields === undefined ? bound : { ...bound, ...fields } }));
    };
    return {
      debug: (message, fields) => log('debug', message, fields),
      info: (message, fields) => log('info', message, fields),
      warn: (message, fields) => log('warn', message, fields),
      error: (message, fields) => log('error', message, fields),
      with: (fields) => make({ ...bound, ...fields }),
    };
  };
  return make({});
}

interface Line {
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

function renderText(line: Line): string {
  let out = `${line.time.slice(0, 23)}Z ${line.level.toUpperCase().padEnd(5)} ${line.message}`;
  for (const [key, value] of Object.entries(line.fields)) {
    const shown = plain(value);
    const text = typeof shown === 'string' ? shown : safeJson(shown);
    out += ` ${key}=${/^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)}`;
  }
  return `${out}\n`;
}

function renderJson(line: Line): string {
  const { time, level, message } = line;
  const fields = Object.fromEntries(Object.entries(line.fields).map(([key, value]) => [key, plain(value)]));
  return `${safeJson({ time, level, message, ...fields })}\n`;
}

/** Errors as their message and cause, long text cut, the rest as it is. */
function plain(value: unknown): unknown {
  if (value instanceof Error) {
    const cause = value.cause instanceof Error ? `: ${value.cause.message}` : '';
    return cut(`${value.message}${cause}`);
  }
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') return String(value);
  return typeof value === 'string' ? cut(value) : value;
}

function cut(text: string): string {
  return text.length > valueLengthMax ? `${text.slice(0, valueLengthMax)}…` : text;
}

function safeJson(value: unknown): string {
  try {
    return cut(JSON.stringify(value) ?? String(value));
  } catch {
    return '"(cannot be written as JSON)"';
  }
}
