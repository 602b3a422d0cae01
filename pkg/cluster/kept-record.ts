/** What a kubelet writes down of what containers have of its node: a file in the node's folder. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Takes over what is there, if anything is. Returns why it cannot. */
export function takeRecord(path: string, restore: (value: unknown) => string | undefined): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return restore(JSON.parse(text));
  } catch {
    return 'it is not whole';
  }
}

/** Puts another in its place, at once. Throws where it cannot. */
export function saveRecord(path: string, record: object): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Forgets what a kubelet with another policy has written down. */
export function forgetRecord(path: string): void {
  rmSync(path, { force: true });
}
