/**
 * Copies files with all that belongs to them (owners, permissions, times, hard links, devices, extended attributes), by the system's `cp`: on file systems
 * that can, the copy shares its contents with the original until one of them is changed.
 */
import { execFile } from 'node:child_process';
import { ImageStoreError } from '../image-store.ts';

const archive = ['--archive', '--reflink=auto', '--no-target-directory', '--'] as const;

/** Copies a file, which may be a link. The path of the copy is free. */
export function copyFile(from: Buffer, to: Buffer): Promise<void> {
  return run([...archive, from.toString(), to.toString()]);
}

/** Copies a folder into one that is there and empty. */
export function copyTree(from: string, to: string, signal?: AbortSignal): Promise<void> {
  return run([...archive, from, to], signal);
}

function run(args: readonly string[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(
      'cp',
      args,
      { ...(signal === undefined ? {} : { signal }), env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } },
      (error, _, stderr) => {
        if (error === null) return resolve();
        const [line = ''] = stderr.split('\n');
        reject(
          signal?.aborted
            ? signal.reason
            : new ImageStoreError('failed', `cannot copy files: ${line || error.message}`, error),
        );
      },
    );
  });
}
