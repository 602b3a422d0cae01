/** Carries the streams of a process to a client and its input back. */
import type { ProcessStreams } from '#pkg/kubelet/runtime/streams.ts';
import type { TwoWay } from './call.ts';
import { streamPiece } from './stdcopy.ts';

/** Which of them the client has asked for. */
export interface CarryOptions {
  readonly streams: ProcessStreams;
  /** Output is one stream, without heads. */
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Input waits until this has resolved. */
  readonly begun?: Promise<void>;
}

/** Resolves when all output is there and the client was told of its end. */
export async function carry(way: TwoWay, options: CarryOptions): Promise<void> {
  const { streams, tty, begun } = options;
  const { stdin } = streams;
  if (options.stdin && stdin !== undefined)
    way.receive({
      write: async (bytes) => {
        await begun;
        await stdin.write(bytes);
      },
      end: () => void Promise.resolve(begun).then(() => stdin.end()),
    });
  // What is not read ends the connection all the same.
  else way.receive({ write: async () => {}, end: () => {} });
  const pump = async (name: 'stderr' | 'stdout'): Promise<void> => {
    for await (const bytes of streams[name]) {
      if (!options[name]) continue;
      await way.write(tty ? bytes : streamPiece(name, bytes));
    }
  };
  await Promise.all([pump('stdout'), pump('stderr')]);
  way.end();
}
