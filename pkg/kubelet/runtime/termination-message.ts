/** What a program has left as its last message. The file is the runtime's own, but what it holds is the program's. */
import { constants } from 'node:fs';
import { chmod, open, writeFile } from 'node:fs/promises';

/** Source: container termination messages are cut at 4,096 bytes; of a longer one the end is read. */
const messageBytesMax = 4096;

/** Whatever user the program is, it may write here. Not with the mode of the write, which loses the bits of the umask. */
export async function makeMessageFile(path: string): Promise<void> {
  await writeFile(path, '');
  await chmod(path, 0o666);
}

/** The end of the file; `''` where there is none. */
export async function lastWords(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  try {
    if (file === undefined) return '';
    const { size } = await file.stat();
    const start = Math.max(0, size - messageBytesMax);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(messageBytesMax), 0, messageBytesMax, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file?.close();
  }
}
