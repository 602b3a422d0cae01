/**
 * Commands of `exec` and the input of the program, in a container's worker thread. Each is a process in the container's own eyes: it has its input and
 * output, an end, and maybe a terminal. Invariants: no more output is on its way than the other end has asked for; what is told to end does.
 * Loaded when the first is asked for.
 */
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import {
  type Command,
  type CommandOutput,
  type FromProcess,
  mainProcess,
  type ProgramContext,
  streamPieceBytes,
  streamWindowBytes,
  type ToProcess,
  type WorkerStart,
} from '../program.ts';
import { findCommand } from '../shell/commands/table.ts';
import { ContainerFiles } from '../shell/files.ts';
import { BrokenPipe, Cancelled, noInput, put, type Sink, type Source } from '../shell/io.ts';
import { runUtility } from '../shell/shell.ts';
import { Terminal } from '../shell/terminal.ts';
import type { ContainerView, ProcessEntry, TerminalView, Utility } from '../shell/utility.ts';

const terminatedExitCode = 143;
const brokenPipeExitCode = 141;
const notFoundExitCode = 127;
/** Of each output of a command that is run for its result: more is cut off. */
const resultBytesMax = 512 * 1024;
/** The container's program is the first of its processes. */
const firstPid = 2;

/** What commands are started with, and who hears of them. */
export interface WorkerProcessesOptions {
  readonly start: WorkerStart;
  readonly context: ProgramContext;
  /** Commands of the image. */
  commands(): Readonly<Record<string, Command>> | undefined;
  send(message: FromProcess): void;
  /** A signal for the program. */
  signalProgram(name: string): void;
  /** Where the program's output goes. */
  output(stream: 'stderr' | 'stdout', bytes: Uint8Array): void;
}

interface OpenProcess {
  readonly command: readonly string[];
  readonly stop: AbortController;
  readonly input: BytePipe | undefined;
  readonly terminal: Terminal | undefined;
  readonly sink: CreditSink;
}

/** The commands of one container. */
export class WorkerProcesses {
  readonly #options: WorkerProcessesOptions;
  readonly #open = new Map<number, OpenProcess>();
  /** Told to end before they had begun. */
  readonly #view: ContainerView;
  #main: { readonly source: Source; readonly terminal: Terminal | undefined; readonly pipe: BytePipe } | undefined;

  constructor(options: WorkerProcessesOptions) {
    this.#options = options;
    const { start, context } = options;
    const files = new ContainerFiles({ root: start.root, mounts: start.mounts, hostname: start.hostname });
    this.#view = {
      program: context,
      files,
      workingDir: start.workingDir ?? '/',
      processes: () => this.#processes(),
      find: (name) => this.#find(name),
    };
  }

  /** Takes what the other end says. */
  received(message: ToProcess): void {
    if (message.id === mainProcess) this.#toMain(message);
    else if (message.type === 'open') void this.#run(message.id, message.start);
    else {
      const found = this.#open.get(message.id);
      if (message.type === 'credit') found?.sink.credit(message.bytes);
      else if (message.type === 'input') void found?.input?.write(message.bytes);
      else if (message.type === 'inputEnd') found?.input?.end();
      else resize(found?.terminal, message);
    }
  }

  /** Ends a command. */
  cancel(id: number): void {
    const found = this.#open.get(id);
    found?.stop.abort();
    found?.input?.end();
    found?.sink.cancel();
  }

  /** Runs a command for its result. Never rejects. */
  async exec(command: readonly string[], signal: AbortSignal): Promise<Required<CommandOutput>> {
    const [stdout, stderr] = [new ResultSink(), new ResultSink()];
    const utility = this.#find(command[0] ?? '');
    if (utility === undefined) return { exitCode: notFoundExitCode, stdout: '', stderr: `${missing(command)}\n` };
    const exitCode = await this.#invoke(utility, command, { stdin: noInput, stdout, stderr, signal });
    return { exitCode, stdout: stdout.text, stderr: stderr.text };
  }

  /** Runs a command in place of the image's program; resolves with its exit code. Never rejects. */
  async main(command: readonly string[], signal: AbortSignal): Promise<number> {
    const sink = (stream: 'stderr' | 'stdout'): Sink => ({
      write: (bytes) => {
        this.#options.output(stream, bytes);
        return true;
      },
      end() {},
    });
    const { source = noInput, terminal } = this.#options.start.stdin === true ? this.#openMain() : {};
    const output = terminal ?? (this.#options.start.tty === true ? new Terminal(sink('stdout')) : undefined);
    const stdout = output?.output ?? sink('stdout');
    const stderr = output?.output ?? sink('stderr');
    const utility = this.#find(command[0] ?? '');
    if (utility === undefined) {
      await put(stderr, `${missing(command)}\n`);
      return notFoundExitCode;
    }
    return this.#invoke(utility, command, { stdin: source, stdout, stderr, signal, terminal: output });
  }

  /** The program's standard input, for programs that read it themselves. */
  mainInput(): Readable {
    const { source, terminal } = this.#openMain();
    const input = new Readable({
      read() {
        source.read().then(
          (bytes) => this.push(bytes === undefined ? null : Buffer.from(bytes)),
          () => this.push(null),
        );
      },
    });
    if (terminal !== undefined) {
      const setRawMode = (isRaw: boolean): Readable => {
        terminal.isRaw = isRaw;
        return input;
      };
      Object.assign(input, { isTTY: true, isRaw: false, setRawMode });
    }
    return Object.assign(input, { fd: 0 });
  }

  /** Output of a program at a terminal, as that shows it. */
  get mainTerminal(): Terminal | undefined {
    return this.#options.start.tty === true ? this.#openMain().terminal : undefined;
  }

  #openMain() {
    const { send, output, start, signalProgram } = this.#options;
    if (this.#main !== undefined) return this.#main;
    const onRead = (bytes: number): void => send({ type: 'read', id: mainProcess, bytes });
    const pipe = new BytePipe({ limitBytes: streamWindowBytes, onRead });
    let terminal: Terminal | undefined;
    if (start.tty === true) {
      terminal = new Terminal({
        write: (bytes) => {
          output('stdout', bytes);
          return true;
        },
        end() {},
      });
      // Where no shell listens, it is the program that is interrupted.
      if (start.command.length === 0) terminal.onInterrupt(() => signalProgram('SIGINT'));
      void type(pipe, terminal);
    }
    this.#main = { pipe, terminal, source: terminal ?? pipe };
    return this.#main;
  }

  #toMain(message: ToProcess): void {
    const { pipe, terminal } = this.#openMain();
    if (message.type === 'input') void pipe.write(message.bytes);
    else if (message.type === 'inputEnd') pipe.end();
    else if (message.type === 'resize') resize(terminal, message);
  }

  async #run(id: number, start: Extract<ToProcess, { readonly type: 'open' }>['start']): Promise<void> {
    const { send } = this.#options;
    const { command, stdin, tty } = start;
    const onRead = (bytes: number): void => send({ type: 'read', id, bytes });
    const input = stdin ? new BytePipe({ limitBytes: streamWindowBytes, onRead }) : undefined;
    const sink = new CreditSink((stream, bytes) => send({ type: 'data', id, stream, bytes }));
    const terminal = tty ? new Terminal(sink.of('stdout')) : undefined;
    const stop = new AbortController();
    this.#open.set(id, { command, stop, input, terminal, sink });
    const utility = this.#find(command[0] ?? '');
    try {
      if (utility === undefined) {
        send({ type: 'closed', id, exitCode: notFoundExitCode, problem: `failed to start exec: ${missing(command)}` });
        return;
      }
      if (terminal !== undefined && input !== undefined) void type(input, terminal);
      const exitCode = await this.#invoke(utility, command, {
        stdin: terminal ?? input ?? noInput,
        stdout: terminal?.output ?? sink.of('stdout'),
        stderr: terminal?.output ?? sink.of('stderr'),
        signal: stop.signal,
        terminal,
      });
      send({ type: 'closed', id, exitCode });
    } finally {
      input?.cancel();
      this.#open.delete(id);
    }
  }

  async #invoke(
    utility: Utility,
    command: readonly string[],
    streams: {
      readonly stdin: Source;
      readonly stdout: Sink;
      readonly stderr: Sink;
      readonly signal: AbortSignal;
      readonly terminal?: TerminalView | undefined;
    },
  ): Promise<number> {
    const [name = '', ...args] = command;
    const { context } = this.#options;
    await this.#view.files.fill();
    const env = Object.fromEntries(
      Object.entries(context.env).filter(
        (entry): entry is [string, string] => entry[1] !== undefined && !isOwn(entry[0]),
      ),
    );
    const run = async (words: readonly string[]): Promise<number> => {
      const found = this.#find(words[0] ?? '');
      if (found === undefined) {
        await put(streams.stderr, `${name}: can't execute '${words[0]}': No such file or directory\n`);
        return notFoundExitCode;
      }
      return this.#invoke(found, words, streams);
    };
    try {
      const { workingDir } = this.#view;
      return await runUtility(utility, baseName(name), {
        container: this.#view,
        args,
        env,
        cwd: workingDir,
        ...streams,
        run,
      });
    } catch (error) {
      if (error instanceof BrokenPipe) return brokenPipeExitCode;
      if (error instanceof Cancelled) return terminatedExitCode;
      return 1;
    }
  }

  #find(name: string): Utility | undefined {
    const own = this.#options.commands();
    if (own !== undefined && Object.hasOwn(own, name)) return asUtility(own[name]!);
    return findCommand(baseName(name));
  }

  #processes(): readonly ProcessEntry[] {
    const { start, signalProgram } = this.#options;
    const command =
      start.command.length === 0
        ? [start.entrypoint ?? start.module, ...start.args]
        : [...start.command, ...start.args];
    return [
      { pid: 1, command, signal: signalProgram },
      ...[...this.#open].map(([id, one]) => ({
        pid: firstPid + id,
        command: one.command,
        signal: () => this.cancel(id),
      })),
    ];
  }
}

/** What is told to the worker and is not the program's. */
function isOwn(name: string): boolean {
  return name.startsWith('COXSWAIN_') && name !== 'COXSWAIN_POD_IP';
}

function missing([name = '']: readonly string[]): string {
  return `exec: "${name}": executable file not found in $PATH`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function resize(terminal: Terminal | undefined, message: ToProcess): void {
  if (terminal === undefined || message.type !== 'resize') return;
  terminal.columns = message.columns;
  terminal.rows = message.rows;
}

/** What comes is typed at the terminal, until no more does. */
async function type(input: BytePipe, terminal: Terminal): Promise<void> {
  for (let bytes = await input.read(); bytes !== undefined; bytes = await input.read()) await terminal.type(bytes);
  terminal.hangUp();
}

/** A command of an image, which gives its output as a whole. */
function asUtility(command: Command): Utility {
  return async ({ container, args, signal, stdout, stderr }) => {
    const output = await command(container.program, args, signal);
    await put(stdout, output.stdout ?? '');
    await put(stderr, output.stderr ?? '');
    return output.exitCode;
  };
}

/** Output that waits until the other end has asked for it. */
class CreditSink {
  readonly #send: (stream: 'stderr' | 'stdout', bytes: Uint8Array) => void;
  #credit = streamWindowBytes;
  #isCancelled = false;
  #waiting: (() => void)[] = [];

  constructor(send: (stream: 'stderr' | 'stdout', bytes: Uint8Array) => void) {
    this.#send = send;
  }

  of(stream: 'stderr' | 'stdout'): Sink {
    return { write: (bytes) => this.#write(stream, bytes), end() {} };
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    this.#wake();
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#wake();
  }

  async #write(stream: 'stderr' | 'stdout', bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#credit <= 0 && !this.#isCancelled) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
      if (this.#isCancelled) return false;
      const piece = bytes.subarray(at, at + Math.min(this.#credit, streamPieceBytes));
      at += piece.length;
      this.#credit -= piece.length;
      // A copy of its own: what is sent may be a part of something much larger.
      this.#send(stream, Uint8Array.from(piece));
    }
    return true;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Keeps the beginning of what is written. */
class ResultSink implements Sink {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  write(bytes: Uint8Array): boolean {
    const piece = Uint8Array.from(bytes.subarray(0, resultBytesMax - this.#length));
    this.#chunks.push(piece);
    this.#length += piece.length;
    return true;
  }

  end(): void {}
}
