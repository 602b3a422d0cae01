/** Small files that are there whole or not at all, whenever the process that writes them ends. */
import { readFile, rename, writeFile } from 'node:fs/promises';

/** Writes a value as JSON, beside the file first. */
export async function writeWhole(path: string, value: object): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The value of a file that `writeWhole` wrote; undefined where there is none, or none that can be read. */
export async function readWhole<T extends object>(path: string): Promise<T | undefined> {
  try {
    const value: T = JSON.parse(await readFile(path, 'utf8'));
    return value;
  } catch {
    return undefined;
  }
}
