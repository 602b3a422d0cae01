/**
 * The kubelet's side of the monitor: starts it where none answers, makes calls, hears of exits, and opens streams. When the connection goes, calls that were under
 * way fail, and it is connected again at once, to another monitor if need be, which says what has ended meanwhile.
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { FrameReader } from '../frames.ts';
import { RuntimeError } from '../runtime.ts';
import {
  type Call,
  type ExitRecord,
  encodeJson,
  type FromMonitor,
  frameBytesMax,
  type MonitoredContainer,
  protocolVersion,
  type RunCall,
} from './monitor/protocol.ts';
import { socketName, startMonitor, wakeMonitor } from './monitor/start-monitor.ts';

/** Tries to have a monitor, this far apart. One that starts says so; after that many something is wrong with the machine. */
const triesMax = 5;
const retryMs = 200;

/** Where it is, and who hears of exits. */
export interface MonitorClientOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly folder: string;
  onExit(id: string, exit: ExitRecord): void;
  /** After a connection was lost and made again: all that there is. */
  onReconnect(containers: readonly MonitoredContainer[]): void;
}

interface Pending {
  resolve(result: MonitoredContainer | undefined): void;
  reject(error: unknown): void;
}

/** A connection to the monitor of one node. */
export class MonitorClient {
  readonly #options: MonitorClientOptions;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #connecting: Promise<readonly MonitoredContainer[]> | undefined;
  #calls = 0;
  #isClosed = false;

  constructor(options: MonitorClientOptions) {
    this.#options = options;
  }

  /** Connects, and starts a monitor where there is none; gives the containers that it has. */
  connect(): Promise<readonly MonitoredContainer[]> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  /** Asks for something; rejects with `RuntimeError` `failed`. */
  async call(call: Call): Promise<MonitoredContainer | undefined> {
    if (this.#socket === undefined && !this.#isClosed) await this.connect();
    const socket = this.#socket;
    if (socket === undefined) throw new RuntimeError('failed', 'the monitor of containers does not answer');
    const n = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#pending.set(n, { resolve, reject });
      socket.write(encodeJson({ n, call }));
    });
  }

  /** Runs a container; resolves once it does. */
  async run(call: Omit<RunCall, 'method'>): Promise<MonitoredContainer> {
    const started = await this.call({ method: 'run', ...call });
    if (started === undefined) throw new RuntimeError('failed', 'the monitor of containers has none to tell of');
    return started;
  }

  /** A new connection to the monitor, for streams. */
  async open(): Promise<Socket> {
    if (this.#socket === undefined) await this.connect();
    return connectTo(join(this.#options.folder, socketName));
  }

  /** Lets go of the monitor, which goes on. */
  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#failAll('the runtime was closed');
  }

  async #connect(): Promise<readonly MonitoredContainer[]> {
    const { clock, folder } = this.#options;
    let problem: unknown;
    wakeMonitor(folder);
    for (let tries = 0; tries < triesMax; tries++) {
      if (tries > 0) await sleep(clock, retryMs);
      try {
        return await this.#greet(await connectTo(join(folder, socketName)));
      } catch (error) {
        problem = error;
      }
      try {
        await startMonitor(folder);
      } catch (error) {
        problem = error;
      }
    }
    throw new RuntimeError('failed', `the monitor of containers cannot be started: ${errorText(problem)}`, problem);
  }

  #greet(socket: Socket): Promise<readonly MonitoredContainer[]> {
    const reader = new FrameReader({ payloadBytesMax: frameBytesMax });
    socket.write(encodeJson({ type: 'control', version: protocolVersion }));
    return new Promise((resolve, reject) => {
      socket.once('close', () => {
        reject(new Error('it closed the connection'));
        this.#lost(socket);
      });
      socket.on('data', (chunk: Buffer) => {
        for (const { payload } of reader.push(chunk)) {
          const message: FromMonitor = JSON.parse(payload.toString());
          if (message.type !== 'hello') this.#received(message);
          else if (message.version === protocolVersion) {
            this.#socket = socket;
            resolve(message.containers);
          } else {
            // Of another version of this program: it makes way, and its containers are taken over.
            socket.write(encodeJson({ n: -1, call: { method: 'end' } }));
            reject(new Error(`it speaks version ${message.version}`));
          }
        }
      });
    });
  }

  #received(message: Exclude<FromMonitor, { readonly type: 'hello' }>): void {
    if (message.type === 'exit') {
      this.#options.onExit(message.id, message.exit);
      return;
    }
    const pending = this.#pending.get(message.n);
    this.#pending.delete(message.n);
    if (message.problem === undefined) pending?.resolve(message.result);
    else pending?.reject(new RuntimeError('failed', message.problem));
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#failAll('the monitor of containers has ended');
    if (this.#isClosed) return;
    this.connect().then(
      (containers) => this.#options.onReconnect(containers),
      (error: unknown) => this.#options.log.error('The monitor of containers is lost', { error }),
    );
  }

  #failAll(message: string): void {
    for (const { reject } of this.#pending.values()) reject(new RuntimeError('failed', message));
    this.#pending.clear();
  }
}

function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
