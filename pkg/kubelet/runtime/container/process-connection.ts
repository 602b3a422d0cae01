/** The streams of one process over a connection to the monitor: a command, or what is seen of a container's program. Upstream counterpart: CRI's streaming server. */
import type { Socket } from 'node:net';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { FrameReader } from '../frames.ts';
import { RuntimeError } from '../runtime.ts';
import type { ProcessStreams, TerminalSize } from '../streams.ts';
import {
  encodeJson,
  encodePiece,
  type FromProcess,
  frameBytesMax,
  type Opening,
  parsePiece,
  streamPieceBytes,
} from './monitor/protocol.ts';

/** What is asked for, and when it is no longer. */
export interface ConnectionOptions {
  readonly opening: Extract<Opening, { readonly type: 'attach' | 'exec' }>;
  readonly signal?: AbortSignal | undefined;
  /** Why it ended, where the signal says so. */
  readonly cancelled: string;
}

/** Opens it; resolves when the process runs, and rejects with `RuntimeError` where it cannot. */
export function openProcess(socket: Socket, options: ConnectionOptions): Promise<ProcessStreams> {
  return new ProcessConnection(socket, options).opened;
}

class ProcessConnection {
  readonly opened: Promise<ProcessStreams>;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #stdout = new BytePipe();
  readonly #stderr = new BytePipe();
  readonly #exit = Promise.withResolvers<number>();
  readonly #opening = Promise.withResolvers<ProcessStreams>();
  #writing: Promise<void> = Promise.resolve();
  #taken: (() => void) | undefined;
  #isOver = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.opened = this.#opening.promise;
    // Whoever reads the output alone is told by that.
    this.#exit.promise.catch(() => {});
    const reader = new FrameReader({ payloadBytesMax: frameBytesMax });
    socket.on('data', (chunk: Buffer) => {
      for (const { kind, payload } of reader.push(chunk)) {
        if (kind === 'stream') this.#output(payload);
        else this.#told(JSON.parse(payload.toString()));
      }
    });
    const lost = (): void => this.#fail(new RuntimeError('failed', 'the monitor of containers has ended'));
    socket.once('end', lost);
    socket.once('close', lost);
    const { signal } = options;
    const cancel = (): void => this.#fail(new RuntimeError('failed', options.cancelled));
    signal?.addEventListener('abort', cancel, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', cancel));
    socket.write(encodeJson(options.opening));
    if (signal?.aborted) cancel();
  }

  #output(payload: Buffer): void {
    const piece = parsePiece(payload);
    if (piece === undefined || piece.channel === 'stdin') return;
    const pipe = piece.channel === 'stdout' ? this.#stdout : this.#stderr;
    const room = pipe.write(piece.bytes);
    if (typeof room === 'boolean') return;
    this.#socket.pause();
    void room.then(() => this.#socket.resume());
  }

  #told(message: FromProcess): void {
    if (message.type === 'opened') this.#opening.resolve(this.#streams());
    else if (message.type === 'taken') this.#taken?.();
    else if (message.type === 'exited') this.#end(() => this.#exit.resolve(message.exitCode));
    else this.#fail(new RuntimeError(message.reason, message.message));
  }

  #streams(): ProcessStreams {
    const { stdin } = this.#options.opening;
    const input = {
      write: (bytes: Uint8Array) => this.#write(bytes),
      end: () => void this.#writing.then(() => this.#send({ type: 'inputEnd' })),
    };
    return {
      ...(stdin ? { stdin: input } : {}),
      stdout: this.#stdout,
      stderr: this.#stderr,
      exitCode: this.#exit.promise,
      resize: (size) => this.#send({ type: 'resize', size }),
    };
  }

  /** Piece by piece, each when the one before was taken. */
  #write(bytes: Uint8Array): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      for (let at = 0; at < bytes.length && !this.#isOver; at += streamPieceBytes) {
        this.#socket.write(encodePiece('stdin', bytes.subarray(at, at + streamPieceBytes)));
        await new Promise<void>((resolve) => {
          this.#taken = resolve;
        });
      }
    });
    return this.#writing;
  }

  #send(message: { readonly type: 'inputEnd' } | { readonly type: 'resize'; readonly size: TerminalSize }): void {
    if (!this.#isOver) this.#socket.write(encodeJson(message));
  }

  #fail(error: RuntimeError): void {
    this.#end(() => this.#exit.reject(error));
    this.#opening.reject(error);
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    settle();
    this.#taken?.();
    this.#stdout.end();
    this.#stderr.end();
    this.#socket.destroy();
  }
}
