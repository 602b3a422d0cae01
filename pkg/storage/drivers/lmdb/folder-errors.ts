/** Why a folder cannot be used, in words that say what to do. */
import { dirname } from 'node:path';
import { StoreUnavailableError } from '../../store.ts';
import { olderLogs } from './older-logs.ts';
import { DamagedGroupError, logFormat } from './write-group.ts';

/** What the disk has is not what was written. */
export function damagedError(
  directory: string,
  {
    what,
    action = 'open',
    file = 'data.mdb',
  }: { readonly what: string; readonly action?: string | undefined; readonly file?: string },
): StoreUnavailableError {
  return new StoreUnavailableError(
    `Cannot ${action} ${directory} as ${file} is damaged: ${what}; move ${directory} away and run "coxswain snapshot restore FILE --data-dir ${dirname(directory)}" with a snapshot, or choose another data folder`,
  );
}

/** Whether this version reads and writes a folder of a format as it is. Format 3 had no journal. */
export function hasThisLayout(format: unknown): boolean {
  return format === logFormat || format === 3;
}

/** The folder was written by another version. */
export function otherFormatError(directory: string, format: unknown): StoreUnavailableError {
  const isOlder = typeof format === 'number' && Object.hasOwn(olderLogs, format);
  const what = isOlder
    ? `run "coxswain upgrade --data-dir ${dirname(directory)}", which keeps what is there, or start the version that wrote it`
    : 'choose another data folder, or start the version that wrote it';
  return new StoreUnavailableError(
    `Cannot open ${directory} as it has format ${format} and this version reads format ${logFormat}: ${what}`,
  );
}

/** What `decode` makes of a group of writes, by its key; one that is damaged is the folder's damage. */
export function checkedGroup<T>(
  decode: () => T,
  { directory, key, action }: { readonly directory: string; readonly key: number; readonly action?: string },
): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DamagedGroupError)) throw error;
    throw damagedError(directory, { what: `the writes from revision ${key} on are not as they were written`, action });
  }
}

/** The library's error of a failed commit holds a promise that rejects with the reason, which nobody else would handle. */
export function causeOf(error: unknown): unknown {
  if (error instanceof Error && 'commitError' in error && error.commitError instanceof Promise)
    error.commitError.catch(() => {});
  return error;
}
