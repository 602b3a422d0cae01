/** The logs that a cluster has: those of processes that write to no terminal. */
import { readdir } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import type { ClusterFolder } from './folder.ts';

/** Of the processes that have one, in the order of their names. */
export async function logNames(folder: ClusterFolder): Promise<readonly string[]> {
  const files = await readdir(folder.logs).catch((error) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return files
    .filter((file) => file.endsWith('.log'))
    .map((file) => file.slice(0, -'.log'.length))
    .sort();
}
