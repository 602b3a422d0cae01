/**
 * Whoever is attached to a container: its output as it comes, from now on, and its input. Invariants: the program never waits for who is attached; one who
 * is too far behind is left out, and told so by the end of its output.
 */
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { RuntimeError } from '../runtime.ts';
import type { AttachOptions, ProcessStreams, TerminalSize } from '../streams.ts';
import type { CreditInput } from './container-process.ts';

/** Unread output of one who is attached. Beyond it they are left out: the program's output is its log, which goes on. */
const unreadBytesMax = 1024 * 1024;

/** What somebody is attached to. */
export interface AttachedOptions extends AttachOptions {
  /** The container's exit. */
  readonly exitCode: Promise<number>;
  readonly input?: CreditInput;
  /** The input ends with the first who had it. */
  readonly endsInput: boolean;
  resize(size: TerminalSize): void;
}

/** Who is attached to one container. */
export class AttachedClients {
  readonly #outputs = new Set<{ readonly stdout: BytePipe; readonly stderr: BytePipe }>();

  /** Output of the container. */
  output(stream: 'stderr' | 'stdout', bytes: Uint8Array): void {
    for (const output of this.#outputs) {
      const pipe = output[stream];
      if (pipe.unreadBytes + bytes.length <= unreadBytesMax) void pipe.write(bytes);
      else {
        this.#outputs.delete(output);
        const error = new RuntimeError('failed', 'the output was not read in time');
        output.stdout.end(error);
        output.stderr.end(error);
      }
    }
  }

  /** The container has ended. */
  end(): void {
    for (const { stdout, stderr } of this.#outputs) {
      stdout.end();
      stderr.end();
    }
    this.#outputs.clear();
  }

  attach({ exitCode, input, endsInput, signal, resize }: AttachedOptions): ProcessStreams {
    const output = {
      stdout: new BytePipe({ limitBytes: unreadBytesMax }),
      stderr: new BytePipe({ limitBytes: unreadBytesMax }),
    };
    this.#outputs.add(output);
    const left = Promise.withResolvers<never>();
    const leave = (): void => {
      this.#outputs.delete(output);
      output.stdout.end();
      output.stderr.end();
      left.reject(new RuntimeError('failed', 'attaching was cancelled'));
    };
    if (signal?.aborted) leave();
    signal?.addEventListener('abort', leave, { once: true });
    const ended = Promise.race([exitCode, left.promise]);
    // Whoever reads the output alone is told by that.
    ended.catch(() => {});
    left.promise.catch(() => {});
    const stdin = input && { write: (bytes: Uint8Array) => input.write(bytes), end: () => endsInput && input.end() };
    return { ...output, exitCode: ended, resize, ...(stdin === undefined ? {} : { stdin }) };
  }
}
