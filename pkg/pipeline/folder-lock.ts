/**
 * One server of a folder at a time: two would number the same pushes twice. The lock is a socket in Linux' abstract name space, named by the folder: it
 * leaves no file and ends with whoever holds it, however that ends. It keeps out nobody who means harm.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, realpath } from 'node:fs/promises';
import { createServer } from 'node:net';
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** Takes a folder, which is made where there is none. Throws `UserError` where another server has it. */
export async function lockFolder(folder: string): Promise<Disposable> {
  await mkdir(folder, { recursive: true });
  const digest = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex');
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(`\0coxswain-pipeline-${digest.slice(0, 32)}`);
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    throw new UserError(
      `the repositories in ${folder} are served already: by the addon pipeline, or another "coxswain pipeline serve"`,
    );
  }
  return { [Symbol.dispose]: () => void server.close() };
}
