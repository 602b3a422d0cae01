/** The logging interface. Libraries take one; only the composition roots choose where lines go. */

/** Values beside a message: camelCase keys, objects as `namespace/name`, errors as they are. */
export type LogFields = Readonly<Record<string, unknown>>;

/** `message` is a constant sentence without a full stop; what varies goes into `fields`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with() {
    return silentLogger;
  },
};
