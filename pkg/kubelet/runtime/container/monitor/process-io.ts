/**
 * The other ends of a process's input and output: named pipes, or a terminal. Pipes are opened for reading and writing by the process, so that one whose reader
 * has died waits for another instead of ending. Output is taken while there is room for it; when the process has ended, what is left is taken at once and
 * nothing is waited for, as others may hold its ends.
 */
import { Buffer } from 'node:buffer';
import { chownSync, closeSync, constants, openSync, readSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { ReadStream } from 'node:tty';
import type { TerminalSize } from '../../streams.ts';
import { listenAt, makePipe, receiveDescriptor, setTerminalSize } from './system-calls.ts';

/** What a pipe of Linux holds is read at a time. */
const readBytes = 64 * 1024;

/** Who takes output; false asks to wait for `resume`. */
export type Sink = (stream: 'stderr' | 'stdout', bytes: Buffer) => boolean;

/** Which ends there are. */
export interface ProcessIoOptions {
  /** Folder for the pipes and sockets. */
  readonly folder: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Whose the pipes are, who may open them again. Default: who made them. */
  readonly owner?: number | undefined;
  readonly sink: Sink;
}

/** One process's streams. */
export class ProcessIo {
  readonly #options: ProcessIoOptions;
  readonly #outputs: { readonly stream: 'stderr' | 'stdout'; readonly socket: Socket; readonly descriptor: number }[] =
    [];
  #input: Socket | undefined;
  /** Listens for the terminal. */
  #listening: number | undefined;
  #terminal: number | undefined;
  #isFinished = false;

  constructor(options: ProcessIoOptions) {
    this.#options = options;
  }

  /** Where the terminal is to be sent. */
  get socketPath(): string {
    return join(this.#options.folder, 'tty');
  }

  /** Makes the ends; gives the process's, to be closed by the caller once it has started. None with a terminal. */
  open(): readonly number[] {
    const { tty, stdin } = this.#options;
    if (tty) {
      rmSync(this.socketPath, { force: true });
      this.#listening = listenAt(this.socketPath);
      return [];
    }
    const input = stdin ? this.#openInput() : openSync('/dev/null', 'r');
    return [input, this.#openOutput('stdout', true), this.#openOutput('stderr', true)];
  }

  /** Opens again what another process had made for a process that runs. */
  reopen(): void {
    if (this.#options.tty) return;
    if (this.#options.stdin) closeSync(this.#openInput());
    for (const stream of ['stdout', 'stderr'] as const) closeSync(this.#openOutput(stream, false));
  }

  /** Takes the terminal, which the OCI runtime has sent by now. */
  receiveTerminal(): void {
    if (this.#listening === undefined) return;
    const descriptor = receiveDescriptor(this.#listening);
    closeSync(this.#listening);
    this.#listening = undefined;
    rmSync(this.socketPath, { force: true });
    this.#terminal = descriptor;
    const socket = new ReadStream(descriptor);
    this.#read('stdout', socket, descriptor);
    this.#input = socket;
  }

  /** Takes input; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void> {
    const input = this.#input;
    if (input === undefined || !input.writable) return Promise.resolve();
    return new Promise((resolve) => {
      input.write(bytes, () => resolve());
    });
  }

  /** No more input comes. A terminal's stays open. */
  endInput(): void {
    if (this.#terminal !== undefined) return;
    this.#input?.end(() => this.#input?.destroy());
  }

  resize(size: TerminalSize): void {
    if (this.#terminal !== undefined && !this.#isFinished) setTerminalSize(this.#terminal, size);
  }

  /** There is room again. */
  resume(): void {
    for (const { socket } of this.#outputs) socket.resume();
  }

  /** The process has ended, or never began: takes what is left and closes everything. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    for (const { stream, socket, descriptor } of this.#outputs) {
      socket.pause();
      // What it has read and not given: to read it gives it to whoever listens, besides returning it, one piece at a time.
      while (socket.read() !== null) {}
      if (!socket.destroyed) this.#takeRest(stream, descriptor);
      socket.destroy();
    }
    this.#input?.destroy();
    if (this.#listening !== undefined) closeSync(this.#listening);
    if (!this.#options.tty)
      for (const name of ['in', 'stdout', 'stderr']) rmSync(join(this.#options.folder, name), { force: true });
  }

  #openInput(): number {
    const at = join(this.#options.folder, 'in');
    makeOrKeepPipe(at, this.#options.owner);
    // Both ways, so that it can be opened before the process has.
    const own = openSync(at, constants.O_RDWR | constants.O_NONBLOCK);
    this.#input = new Socket({ fd: own, readable: false, writable: true });
    this.#input.on('error', () => {});
    return openSync(at, 'r');
  }

  #openOutput(stream: 'stderr' | 'stdout', isNew: boolean): number {
    const at = join(this.#options.folder, stream);
    if (isNew) rmSync(at, { force: true });
    makeOrKeepPipe(at, this.#options.owner);
    const descriptor = openSync(at, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#read(stream, new Socket({ fd: descriptor, readable: true, writable: false }), descriptor);
    return openSync(at, 'r+');
  }

  #read(stream: 'stderr' | 'stdout', socket: Socket, descriptor: number): void {
    this.#outputs.push({ stream, socket, descriptor });
    socket.on('data', (bytes: Buffer) => {
      if (!this.#options.sink(stream, bytes)) for (const output of this.#outputs) output.socket.pause();
    });
    // A terminal whose processes have gone says EIO.
    socket.on('error', () => {});
  }

  #takeRest(stream: 'stderr' | 'stdout', descriptor: number): void {
    const bytes = Buffer.alloc(readBytes);
    try {
      for (let length = readSync(descriptor, bytes); length > 0; length = readSync(descriptor, bytes))
        this.#options.sink(stream, Buffer.from(bytes.subarray(0, length)));
    } catch {
      // Nothing more is there.
    }
  }
}

function makeOrKeepPipe(at: string, owner: number | undefined): void {
  try {
    makePipe(at);
    if (owner !== undefined) chownSync(at, owner, owner);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
