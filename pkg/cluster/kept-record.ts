/** What a kubelet has written down of what containers have of its node: a file in the node's folder, which is written as a `keptValue`. */
import { readFileSync, rmSync } from 'node:fs';

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

/** Forgets what a kubelet with another policy has written down. */
export function forgetRecord(path: string): void {
  rmSync(path, { force: true });
}
