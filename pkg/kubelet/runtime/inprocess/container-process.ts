/**
 * A process with streams as the kubelet has it: a command in a container, whose other end is in the process of the node's programs. Invariants: no more of
 * its output is on its way than its reader has room for; what comes beyond is nonsense; it ends once.
 */
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { RuntimeError } from '../runtime.ts';
import type { ProcessInput, ProcessStreams, TerminalSize } from '../streams.ts';
import { type FromProcess, streamPieceBytes, streamWindowBytes, type ToProcess } from './program.ts';

/** Input that goes to a process at the pace at which it reads. */
export class CreditInput implements ProcessInput {
  readonly #send: (bytes: Uint8Array | undefined) => void;
  #credit = streamWindowBytes;
  #isOver = false;
  #waiting: (() => void)[] = [];

  /** `send` is called with pieces, and with nothing at the end. */
  constructor(send: (bytes: Uint8Array | undefined) => void) {
    this.#send = send;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#credit <= 0 && !this.#isOver) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (this.#isOver) return;
      const piece = bytes.subarray(at, at + Math.min(this.#credit, streamPieceBytes));
      at += piece.length;
      this.#credit -= piece.length;
      this.#send(piece);
    }
  }

  end(): void {
    if (this.#isOver) return;
    this.#send(undefined);
  }

  /** So much was read. */
  credit(bytes: number): void {
    this.#credit = Math.min(streamWindowBytes, this.#credit + bytes);
    this.#wake();
  }

  /** Nobody reads any more. */
  close(): void {
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Which command, and how it is spoken to. */
export interface ContainerProcessOptions {
  readonly id: number;
  readonly hasInput: boolean;
  send(message: Exclude<ToProcess, { readonly type: 'input' }>): void;
  sendInput(bytes: Uint8Array): void;
}

/** One command, until its exit code is known. */
export class ContainerProcess implements ProcessStreams {
  readonly stdin?: CreditInput;
  readonly stdout: BytePipe;
  readonly stderr: BytePipe;
  readonly exitCode: Promise<number>;
  readonly #options: ContainerProcessOptions;
  readonly #exit = Promise.withResolvers<number>();
  #isOver = false;

  constructor(options: ContainerProcessOptions) {
    this.#options = options;
    const { id, send, sendInput } = options;
    const onRead = (bytes: number): void => {
      if (!this.#isOver) send({ type: 'credit', id, bytes });
    };
    this.stdout = new BytePipe({ limitBytes: streamWindowBytes, onRead });
    this.stderr = new BytePipe({ limitBytes: streamWindowBytes, onRead });
    if (options.hasInput) {
      this.stdin = new CreditInput((bytes) =>
        bytes === undefined ? send({ type: 'inputEnd', id }) : sendInput(bytes),
      );
    }
    this.exitCode = this.#exit.promise;
    // Whoever reads the output alone is told by that.
    this.exitCode.catch(() => {});
  }

  resize({ columns, rows }: TerminalSize): void {
    if (!this.#isOver) this.#options.send({ type: 'resize', id: this.#options.id, columns, rows });
  }

  /** Takes output; false for more than there is room for. */
  output(stream: 'stderr' | 'stdout', bytes: Uint8Array): boolean {
    if (this.stdout.unreadBytes + this.stderr.unreadBytes + bytes.length > streamWindowBytes) return false;
    const pipe = this[stream];
    void pipe.write(bytes);
    // Thrown away, so that the command does not wait for who has gone.
    if (pipe.isCancelled && !this.#isOver)
      this.#options.send({ type: 'credit', id: this.#options.id, bytes: bytes.length });
    return true;
  }

  /** Takes what else the process says. */
  told(message: Exclude<FromProcess, { readonly type: 'data' }>): void {
    if (message.type === 'read') this.stdin?.credit(message.bytes);
    else if (message.problem === undefined) this.#end(() => this.#exit.resolve(message.exitCode));
    else this.#end(() => this.#exit.reject(new RuntimeError('failed', message.problem!)));
  }

  /** Ends it for a reason that is not its own. */
  fail(error: RuntimeError): void {
    this.#end(() => this.#exit.reject(error));
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stdin?.close();
    this.stdout.end();
    this.stderr.end();
    settle();
  }
}
