/** Errors that a person is told in one line: those of the system by the table of `system-errors.ts`. */
import { UserError } from '#pkg/component/user-error.ts';
import { systemErrors } from './system-errors.ts';

interface Coded {
  readonly code?: unknown;
  readonly port?: unknown;
  readonly path?: unknown;
  readonly syscall?: unknown;
}

/** One line for whatever went wrong: errors of the system get advice, the rest their own message. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  if (error instanceof UserError) return oneLine(error.message);
  const { code, syscall, port, path }: Coded = isDiskFull(error) ? { code: 'ENOSPC' } : (rootCoded(error) ?? {});
  const line = systemErrors[`${String(code)} ${String(syscall)}`] ?? systemErrors[String(code)];
  if (line === undefined) return oneLine(error.message);
  return line({ code: String(code), port: String(port), path: String(path ?? 'a file') });
}

/** The first error in the chain of causes that the system gave a code. */
function rootCoded(error: Error): Coded | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (typeof (current as Coded).code === 'string') return current as Coded;
    current = current.cause;
  }
  return undefined;
}

/** lmdb tells a full disk by its message alone. */
function isDiskFull(error: Error): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (/No space left on device/.test(current.message)) return true;
    current = current.cause;
  }
  return false;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
