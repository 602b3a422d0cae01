/** A command in a container, on a connection of its own: the connection's end ends the command with all that it has started. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { errorText } from '#pkg/base/error-text.ts';
import { type Launched, launch } from './launch.ts';
import { processesIn, treeOf } from './process-tree.ts';
import { type ExecOpening, encodeJson, encodePiece } from './protocol.ts';
import type { Reaper } from './reaper.ts';
import type { Runc } from './runc.ts';
import { type FrameHandler, pipeInput } from './stream-input.ts';

/** Where it runs. */
export interface ExecDeps {
  readonly runc: Runc;
  readonly reaper: Reaper;
  /** Its own, in memory. */
  readonly folder: string;
  /** Of its container. */
  readonly cgroups: readonly string[];
}

/** Runs the command; gives what takes the frames that come. */
export function runExec(socket: Socket, opening: ExecOpening, deps: ExecDeps): FrameHandler {
  const session = new ExecSession(socket, opening, deps);
  const started = session.run();
  return pipeInput(socket, {
    write: async (bytes) => (await started)?.io.write(bytes),
    end: async () => (await started)?.io.endInput(),
    resize: async (size) => (await started)?.io.resize(size),
  });
}

class ExecSession {
  readonly #socket: Socket;
  readonly #opening: ExecOpening;
  readonly #deps: ExecDeps;
  /** Output before the word that it runs: what comes of an OCI runtime that fails is no output. */
  #early: Buffer[] | undefined = [];
  #launched: Launched | undefined;
  #hasEnded = false;

  constructor(socket: Socket, opening: ExecOpening, deps: ExecDeps) {
    this.#socket = socket;
    this.#opening = opening;
    this.#deps = deps;
  }

  /** Resolves when it runs, with nothing when it cannot. */
  async run(): Promise<Launched | undefined> {
    const socket = this.#socket;
    socket.once('close', () => this.#endAll());
    socket.on('drain', () => this.#launched?.io.resume());
    try {
      const launched = await this.#launch();
      this.#launched = launched;
      this.#send(encodeJson({ type: 'opened' }));
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const piece of early) this.#send(piece);
      if (socket.destroyed) this.#endAll();
      void launched.exited.then((exitCode) => {
        this.#hasEnded = true;
        this.#clean();
        socket.end(encodeJson({ type: 'exited', exitCode }));
      });
      return launched;
    } catch (error) {
      this.#clean();
      socket.end(encodeJson({ type: 'problem', message: errorText(error), reason: 'failed' }));
      return undefined;
    }
  }

  #launch(): Promise<Launched> {
    const { runc, reaper, folder } = this.#deps;
    const { id, process, stdin, tty, owner } = this.#opening;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'process.json');
    writeFileSync(path, JSON.stringify(process), { mode: 0o600 });
    return launch({
      runc,
      reaper,
      folder,
      tty,
      stdin,
      owner,
      args: [['exec', '--detach', '--process', path], [id]],
      sink: (stream, bytes) => {
        const piece = encodePiece(stream, bytes);
        if (this.#early === undefined) return this.#send(piece);
        this.#early.push(piece);
        return true;
      },
    });
  }

  #send(piece: Buffer): boolean {
    return this.#socket.destroyed || this.#socket.write(piece);
  }

  #endAll(): void {
    if (this.#launched === undefined || this.#hasEnded) return;
    for (const pid of treeOf(this.#launched.pid, processesIn(this.#deps.cgroups))) killQuietly(pid);
  }

  #clean(): void {
    rmSync(this.#deps.folder, { recursive: true, force: true });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
