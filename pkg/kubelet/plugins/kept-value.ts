/** A small file in which a kubelet keeps what the next one of its folder has to know. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Where it is. */
export interface KeptValue {
  /** The JSON value; undefined where there is none, or none that can be read. */
  read(): unknown;
  /** Puts another one in its place, whole. Throws where it cannot be written. */
  write(value: object): void;
}

/** The value of a file, which is written at once, before anything is made of it. */
export function keptValue(path: string): KeptValue {
  return {
    read: () => {
      try {
        return JSON.parse(readFileSync(path, 'utf8'));
      } catch {
        return undefined;
      }
    },
    write: (value) => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
      writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
  };
}
