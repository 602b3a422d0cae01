/**
 * The monitor of a node's containers: one process per node, which starts them, holds their pipes and terminals, writes their logs and hears of their ends, so that
 * they outlive the kubelet, which finds them here again. A monitor that dies is followed by another, which takes over what runs and only then does not
 * know with which code it ends. Why not one per container, as conmon and containerd's shims: a Node process takes 40 MB. Why not the kubelet itself: a
 * container whose output nobody reads stands still. It ends when it has been alone for `aloneMsMax` without containers.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { type Frame, FrameReader } from '../../frames.ts';
import { adoptContainer, ContainerWatch, type WatchDeps } from './container-watch.ts';
import { runExec } from './exec-session.ts';
import { connectInside } from './loopback-connection.ts';
import {
  type AttachOpening,
  type Call,
  type ExitRecord,
  encodeJson,
  frameBytesMax,
  type MonitoredContainer,
  type NumberedCall,
  type Opening,
  protocolVersion,
  type RunCall,
  type UpdateCall,
} from './protocol.ts';
import { Reaper } from './reaper.ts';
import { Runc } from './runc.ts';
import { makeSandboxPlace, removeSandboxPlace } from './sandbox-place.ts';
import { socketName } from './start-monitor.ts';
import { type FrameHandler, pipeInput } from './stream-input.ts';
import { becomeSubreaper } from './system-calls.ts';
import { AwaitingViewers } from './viewers.ts';

/** Without a kubelet and without containers it has nothing to do for anybody. */
const aloneMsMax = 10_000;

/** Where it works. */
export interface MonitorOptions {
  readonly clock: Clock;
  /** In memory: it is empty after a start of the machine. */
  readonly folder: string;
  /** Called once it listens. */
  readonly onReady: () => void;
}

/** Runs it; resolves when it has ended. */
export async function runMonitor(options: MonitorOptions): Promise<void> {
  becomeSubreaper();
  await new Monitor(options).run();
}

class Monitor {
  readonly #options: MonitorOptions;
  readonly #reaper = new Reaper();
  /** By their paths. */
  readonly #runtimes = new Map<string, Runc>();
  readonly #containers = new Map<string, { readonly watch: ContainerWatch; readonly cgroups: readonly string[] }>();
  readonly #kubelets = new Set<Socket>();
  readonly #ended = Promise.withResolvers<void>();
  /** Containers whose start an earlier kubelet may have asked for. */
  readonly #starting = new Set<Promise<void>>();
  readonly #awaiting = new AwaitingViewers();
  #connections = 0;
  #execs = 0;
  #alone: Timer | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** An OCI runtime, with a folder of its own for what it knows. */
  #runtime(path: string): Runc {
    let runtime = this.#runtimes.get(path);
    if (runtime === undefined) {
      const stateFolder = join(this.#options.folder, 'state', basename(path));
      runtime = new Runc({ path, stateFolder, reaper: this.#reaper });
      this.#runtimes.set(path, runtime);
    }
    return runtime;
  }

  async run(): Promise<void> {
    const { folder, onReady } = this.#options;
    this.#reaper.listen();
    mkdirSync(join(folder, 'c'), { recursive: true, mode: 0o700 });
    this.#adopt();
    const path = join(folder, socketName);
    rmSync(path, { force: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#connected(socket));
    await listening(server, path);
    onReady();
    this.#look();
    await this.#ended.promise;
    server.close();
    rmSync(path, { force: true });
  }

  #adopt(): void {
    for (const name of readdirSync(join(this.#options.folder, 'c'))) {
      const watch = adoptContainer(this.#deps(name));
      if (watch === undefined) rmSync(join(this.#options.folder, 'c', name), { recursive: true, force: true });
      else this.#containers.set(watch.call.id, { watch, cgroups: watch.call.cgroups });
    }
  }

  #deps(id: string): WatchDeps {
    return {
      clock: this.#options.clock,
      runtime: (path) => this.#runtime(path),
      reaper: this.#reaper,
      // Short, as paths of sockets have to be.
      folder: join(this.#options.folder, 'c', id.slice(0, 32)),
      onExit: (exited, exit) => this.#tellExit(exited, exit),
    };
  }

  #tellExit(id: string, exit: ExitRecord): void {
    for (const kubelet of this.#kubelets) kubelet.write(encodeJson({ type: 'exit', id, exit }));
    this.#look();
  }

  #connected(socket: Socket): void {
    this.#connections++;
    this.#look();
    const reader = new FrameReader({ payloadBytesMax: frameBytesMax });
    let handle: FrameHandler | undefined;
    socket.on('error', () => {});
    // Who closes its side has gone: the end of a process's input is a message.
    socket.on('end', () => socket.destroy());
    socket.once('close', () => {
      this.#connections--;
      this.#kubelets.delete(socket);
      this.#look();
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of reader.push(chunk)) {
          if (handle === undefined) handle = this.#open(socket, JSON.parse(frame.payload.toString()));
          else handle(frame);
        }
      } catch {
        socket.destroy();
      }
    });
  }

  #open(socket: Socket, opening: Opening): FrameHandler {
    switch (opening.type) {
      case 'control':
        return this.#openControl(socket);
      case 'exec': {
        const container = this.#containers.get(opening.id);
        if (container === undefined || container.watch.summary?.exit !== undefined) return refuse(socket, opening.id);
        const folder = join(this.#options.folder, 'x', String(this.#execs++));
        const runc = this.#runtime(container.watch.call.ociRuntime);
        return runExec(socket, opening, { runc, reaper: this.#reaper, folder, cgroups: container.cgroups });
      }
      case 'attach':
        return this.#attach(socket, opening);
      case 'connect':
        return this.#connect(socket, opening.namespace, opening.port);
    }
  }

  #openControl(socket: Socket): FrameHandler {
    void this.#greet(socket);
    return ({ payload }: Frame) => {
      const { n, call }: NumberedCall = JSON.parse(payload.toString());
      this.#call(call).then(
        (result) => socket.write(encodeJson({ type: 'answer', n, ...(result === undefined ? {} : { result }) })),
        (error: unknown) => socket.write(encodeJson({ type: 'answer', n, problem: errorText(error) })),
      );
    };
  }

  /** Says what there is, once nothing is on its way to be. */
  async #greet(socket: Socket): Promise<void> {
    await Promise.allSettled(this.#starting);
    const containers = [...this.#containers.values()].flatMap(({ watch }) => watch.summary ?? []);
    socket.write(encodeJson({ type: 'hello', version: protocolVersion, containers }));
    this.#kubelets.add(socket);
  }

  async #call(call: Call): Promise<MonitoredContainer | undefined> {
    switch (call.method) {
      case 'makeSandbox':
        await makeSandboxPlace(call, this.#reaper);
        return undefined;
      case 'removeSandbox':
        removeSandboxPlace(call.folder);
        return undefined;
      case 'run':
        return this.#run(call);
      case 'signal':
        this.#containers.get(call.id)?.watch.signal(call.signal);
        return undefined;
      case 'remove':
        await this.#containers.get(call.id)?.watch.remove();
        this.#containers.delete(call.id);
        this.#look();
        return undefined;
      case 'update':
        await this.#update(call);
        return undefined;
      case 'end':
        this.#ended.resolve();
        return undefined;
    }
  }

  async #run(call: RunCall): Promise<MonitoredContainer | undefined> {
    const watch = new ContainerWatch(call, this.#deps(call.id));
    this.#containers.set(call.id, { watch, cgroups: call.cgroups });
    const early = this.#awaiting.take(call.id);
    for (const socket of early) watch.viewers.add(socket);
    const starting = watch.run();
    this.#starting.add(starting);
    try {
      await starting;
    } catch (error) {
      for (const socket of early) refuse(socket, call.id);
      await watch.remove();
      this.#containers.delete(call.id);
      throw error;
    } finally {
      this.#starting.delete(starting);
    }
    return watch.summary;
  }

  async #update({ id, resources }: UpdateCall): Promise<void> {
    const ociRuntime = this.#containers.get(id)?.watch.call.ociRuntime;
    if (ociRuntime === undefined) throw new Error(`container "${id}" is not running`);
    const path = join(this.#options.folder, `update-${this.#execs++}`);
    writeFileSync(path, JSON.stringify(resources), { mode: 0o600 });
    try {
      await this.#runtime(ociRuntime).run({ args: ['update', '--resources', path, id], logPath: `${path}.log` });
    } finally {
      rmSync(path, { force: true });
    }
  }

  #attach(socket: Socket, { id, isEarly }: AttachOpening): FrameHandler {
    const current = (): ContainerWatch | undefined => this.#containers.get(id)?.watch;
    const watch = current();
    if (watch === undefined ? isEarly !== true : watch.summary?.exit !== undefined) return refuse(socket, id);
    socket.write(encodeJson({ type: 'opened' }));
    if (watch === undefined) this.#awaiting.add(id, socket);
    else watch.viewers.add(socket);
    return pipeInput(socket, {
      write: async (bytes) => current()?.input?.write(bytes),
      end: () => current()?.endInput(),
      resize: (size) => current()?.input?.resize(size),
    });
  }

  #connect(socket: Socket, namespace: string | undefined, port: number): FrameHandler {
    socket.pause();
    connectInside(namespace, port, this.#options.clock).then(
      (inside) => {
        socket.write(encodeJson({ type: 'opened' }));
        // From here on it is bytes both ways.
        socket.removeAllListeners('data');
        socket.removeAllListeners('end');
        inside.on('error', () => socket.destroy());
        inside.once('close', () => socket.destroySoon());
        socket.once('close', () => inside.destroy());
        socket.pipe(inside);
        inside.pipe(socket);
      },
      (error: unknown) => socket.end(encodeJson({ type: 'problem', message: errorText(error), reason: 'failed' })),
    );
    return () => {};
  }

  /** Ends it when it has been of no use for a while. */
  #look(): void {
    this.#alone?.cancel();
    const runs = [...this.#containers.values()].some(({ watch }) => watch.summary?.exit === undefined);
    if (this.#connections > 0 || runs) return;
    this.#alone = this.#options.clock.setTimeout(() => this.#ended.resolve(), aloneMsMax);
  }
}

function refuse(socket: Socket, id: string): FrameHandler {
  socket.end(encodeJson({ type: 'problem', message: `container "${id}" is not running`, reason: 'failed' }));
  return () => {};
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
