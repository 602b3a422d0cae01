/** What a process that ended before it was ready wrote last. */
import { open } from 'node:fs/promises';

/** Bytes at the end of a log that are looked at. */
const tailBytes = 4096;

/** The last line that a process wrote from `from` on, without its name before it; where to look when it did not say why it ended. */
export async function lastWords(path: string, from: number, name: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(from, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const lines = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
    const kind = name.startsWith('kubelet') ? 'kubelet' : name;
    const last = lines.findLast((line) => line.startsWith(`${kind}: `));
    if (last !== undefined) return last.slice(kind.length + 2);
    const words = lines.at(-1) ?? '';
    return `${name} ended before it was ready${words === '' ? '' : `; its last words: ${words}`} (see ${path})`;
  } finally {
    await file.close();
  }
}
