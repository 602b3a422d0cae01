/** Errors that a person is told in one line. */
import { UserError } from '#pkg/component/user-error.ts';

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
  const coded: Coded = isDiskFull(error) ? { code: 'ENOSPC' } : (rootCoded(error) ?? {});
  switch (coded.code) {
    case 'EADDRINUSE':
      return `Cannot listen on port ${String(coded.port)} as another program uses it: stop that program, or choose a port with --api-port`;
    case 'ENOSPC':
      return 'Cannot write to the disk as it is full: free some space, or choose another folder with --data-dir';
    case 'EDQUOT':
      return 'Cannot write to the disk as your quota is used up: free some space, or choose another folder with --data-dir';
    case 'ENOTDIR':
    case 'EEXIST':
      return `Cannot use ${String(coded.path ?? 'the folder')} as something on the way to it is not a folder: choose another with --data-dir`;
    case 'ENOENT':
      if (coded.syscall !== 'mkdir') return oneLine(error.message);
      return `Cannot make ${String(coded.path ?? 'a folder')} as the system does not let anybody: choose another folder with --data-dir`;
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      if (coded.syscall === 'listen' || coded.syscall === 'bind') {
        return `Cannot listen on port ${String(coded.port)} as it is reserved: choose one from 1024 up with --api-port`;
      }
      return `Cannot write ${String(coded.path ?? 'a file')} (${String(coded.code)}): check its permissions, or choose another folder with --data-dir`;
    default:
      return oneLine(error.message);
  }
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
