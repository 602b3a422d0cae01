/** The standard output as a file of lines, opened again under its own name, so that writing waits for its reader whatever else of the process uses it. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { LineFile } from './log-sink.ts';

const descriptor = 1;

/** Where it is no file that can be opened, such as a socket, the descriptor itself is written to. */
export function standardOutput(): LineFile {
  let own: number | undefined;
  try {
    own = openSync('/dev/stdout', 'a');
  } catch {
    // Sockets have no name to open them by.
  }
  return {
    write(lines) {
      const bytes = Buffer.from(lines);
      for (let at = 0; at < bytes.length; ) at += writeSync(own ?? descriptor, bytes, at);
    },
    async close() {
      if (own !== undefined) closeSync(own);
    },
  };
}
