/** What the system's files say of the machine; nothing where there are none. */
import { readdirSync, readFileSync } from 'node:fs';

/** The text of one, without space around it. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1').trim();
  } catch {
    return '';
  }
}

/** The names in a folder. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
