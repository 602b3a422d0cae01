/** How a command ended, as clients are told. Pure. Source: `k8s.io/kubelet` `cri/streaming/remotecommand/exec.go`, apimachinery `util/remotecommand`. */
import { errorText } from '#pkg/base/error-text.ts';

/** A `Status` as Go writes it: what is empty is left out. */
export interface CommandEnd {
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: 'Failure' | 'Success';
  readonly message?: string;
  readonly reason?: 'InternalError' | 'NonZeroExitCode';
  readonly details?: { readonly causes: readonly { readonly reason?: string; readonly message: string }[] };
  readonly code?: number;
}

const success: CommandEnd = { metadata: {}, status: 'Success' };

interface EndedCommand {
  readonly doing: string;
  readonly command?: readonly string[];
}

/** The end of a command by its exit code, or by what went wrong with it. */
export function endOf(how: unknown, { doing, command }: EndedCommand): CommandEnd {
  if (typeof how !== 'number') return internalEnd(`error ${doing} container: ${errorText(how)}`);
  if (how === 0 || command === undefined) return success;
  const why = `error executing command [${command.join(' ')}], exit code ${how}`;
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${why}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(how) }] },
  };
}

/** What no command ended with: the server could not do it. */
export function internalEnd(message: string): CommandEnd {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    details: { causes: [{ message }] },
    code: 500,
  };
}

/** What is written to the error stream: the status as JSON since version 4, before that its text, which a success has not. */
export function endBytes(end: CommandEnd, { hasStatus }: { readonly hasStatus: boolean }): Uint8Array {
  const text = hasStatus ? JSON.stringify(end) : (end.message ?? '');
  return new TextEncoder().encode(text);
}

/** Terminal sizes in a stream of JSON objects, one after the other; `rest` is the beginning of the next. What is none is left out. */
export function parseSizes(text: string): {
  readonly sizes: readonly { readonly columns: number; readonly rows: number }[];
  readonly rest: string;
} {
  const sizes: { columns: number; rows: number }[] = [];
  let rest = text;
  for (let end = rest.indexOf('}'); end >= 0; end = rest.indexOf('}')) {
    const columns = Number(/"Width"\s*:\s*(\d+)/i.exec(rest.slice(0, end))?.[1]);
    const rows = Number(/"Height"\s*:\s*(\d+)/i.exec(rest.slice(0, end))?.[1]);
    if (isSize(columns) && isSize(rows)) sizes.push({ columns, rows });
    rest = rest.slice(end + 1);
  }
  return { sizes, rest: rest.slice(0, restCharactersMax) };
}

/** Of a size that is not whole yet. */
const restCharactersMax = 256;

/** Sizes are numbers of 16 bits. Source: client-go `remotecommand.TerminalSize`. */
function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 65_536;
}
