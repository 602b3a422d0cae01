/**
 * Commands in guests, run by the agent that the built-in kernel has at port 1: words with a zero after each go there, pieces of output come back. A guest
 * without an agent runs none.
 */
import type { Socket } from 'node:net';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { RuntimeError } from '../runtime.ts';
import type { ProcessStreams } from '../streams.ts';

/** Output of a command that nobody has read; beyond it the command waits, as TCP does. */
const unreadBytesMax = 64 * 1024;
/** Bytes of a piece's head: what it is, and its length. */
const headBytes = 3;

/** Runs a command by the agent behind `socket`; `signal` breaks it off. */
export function runCommand(
  socket: Socket,
  { command, signal }: { readonly command: readonly string[]; readonly signal?: AbortSignal | undefined },
): ProcessStreams {
  const stdout = new BytePipe({ limitBytes: unreadBytesMax });
  const stderr = new BytePipe({ limitBytes: unreadBytesMax });
  const running = carry(socket, { stdout, stderr });
  const cancelled = Promise.withResolvers<never>();
  const cancel = (): void => {
    cancelled.reject(new RuntimeError('failed', `command "${command.join(' ')}" was cancelled`));
    socket.destroy();
  };
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  const exitCode = Promise.race([running, cancelled.promise]).finally(() => {
    signal?.removeEventListener('abort', cancel);
    stdout.end();
    stderr.end();
    socket.destroy();
  });
  // Whoever reads the output alone is told by that.
  for (const promise of [exitCode, running, cancelled.promise]) promise.catch(() => {});
  socket.write(`${command.map((word) => `${word}\0`).join('')}\0`);
  return { stdout, stderr, exitCode, resize() {} };
}

/** Reads pieces until the last; resolves with the exit code. */
async function carry(socket: Socket, pipes: { readonly stdout: BytePipe; readonly stderr: BytePipe }): Promise<number> {
  let bytes = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= headBytes) {
        const end = headBytes + bytes.readUInt16BE(1);
        if (bytes.length < end) break;
        const kind = bytes[0];
        const piece = bytes.subarray(headBytes, end);
        bytes = bytes.subarray(end);
        if (kind === 0) return piece[0] ?? 0;
        await (kind === 1 ? pipes.stdout : pipes.stderr).write(Uint8Array.from(piece));
      }
    }
  } catch (error) {
    throw new RuntimeError('failed', 'the machine ended while it ran the command', error);
  }
  throw new RuntimeError('failed', 'the machine ended while it ran the command');
}
