/** Archives for tests, made of a line for each entry. */
import { type NewTarEntry, tarEnd, tarFile } from '../tar/tar-writer.ts';

/** A path with its contents; one that ends with a slash is a folder. Or an entry as it is. */
export type ArchiveLine = NewTarEntry | readonly [path: string, contents: string];

/** An archive without compression. */
export function archiveOf(...lines: readonly ArchiveLine[]): Buffer {
  const entries = lines.map((line) => {
    if (!isPair(line)) return tarFile(line, line.size === undefined ? '' : Buffer.alloc(line.size, 'x'));
    const [path, contents] = line;
    return tarFile(path.endsWith('/') ? { kind: 'directory', path } : { path }, contents);
  });
  return Buffer.concat([...entries, tarEnd()]);
}

/** Bytes as a stream of one piece. */
export async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

function isPair(line: ArchiveLine): line is readonly [string, string] {
  return Array.isArray(line);
}
