/**
 * What the runtime and the process of a node's programs say to each other. What comes from that process is checked by shape and size before
 * anything is believed: programs share the process and may write to its end of the channel. `parseFromHost` is total: it gives a
 * message, or undefined for whatever is none.
 */
import {
  type CommandOutput,
  type FromProcess,
  streamPieceBytes,
  streamWindowBytes,
  type ToProcess,
  type WorkerStart,
} from '../program.ts';

/** Longest frame the runtime takes from a host. An answer of `exec` is the longest: two outputs, each character up to six bytes in JSON. */
export const fromHostBytesMax = 8 * 1024 * 1024;

/** Longest frame a host takes: a container's start with all of its environment. */
export const toHostBytesMax = 64 * 1024 * 1024;

/** Characters of standard output or error that `exec` gives; more is cut off. */
const execCharactersMax = 512 * 1024;

/** Longest text of a reason or an error. */
const textCharactersMax = 16 * 1024;

/** Longest piece of output in one frame. */
const outputBytesMax = 64 * 1024;

/** What a host ends itself with when its stream has ended. */
export const streamGoneSignal = 'SIGHUP';

/** Start of a container. `id` is the runtime's number for it, unique for the life of a host. */
export interface ContainerStart {
  readonly type: 'start';
  readonly id: number;
  readonly name: string;
  readonly start: WorkerStart;
  readonly env: Readonly<Record<string, string>>;
  /** What finds the processes that the program starts, among all of the machine. */
  readonly marker: string;
  readonly memoryLimitBytes?: number;
}

/** What the runtime says. */
export type ToHost =
  | ContainerStart
  | { readonly type: 'signal'; readonly id: number; readonly signal: string }
  | { readonly type: 'kill'; readonly id: number }
  | { readonly type: 'exec'; readonly id: number; readonly exec: number; readonly command: readonly string[] }
  | { readonly type: 'cancelExec'; readonly id: number; readonly exec: number }
  /** All that is said to a process but its input, which is a frame of its own. */
  | { readonly type: 'process'; readonly id: number; readonly message: Exclude<ToProcess, { readonly type: 'input' }> }
  | { readonly type: 'stats'; readonly id: number; readonly request: number }
  | { readonly type: 'ping'; readonly request: number };

/** What the process says; `id` is the number of a container. */
export type FromHost =
  | { readonly type: 'started'; readonly id: number }
  | {
      readonly type: 'exited';
      readonly id: number;
      readonly exitCode: number;
      readonly outOfMemory: boolean;
      /** What is to be said of the end where the program says nothing itself. */
      readonly message: string;
    }
  | { readonly type: 'execDone'; readonly id: number; readonly exec: number; readonly output: Required<CommandOutput> }
  | {
      readonly type: 'stats';
      readonly id: number;
      readonly request: number;
      readonly memoryBytes: number;
      readonly cpuNanoseconds: number;
    }
  /** All that a process says but its output. */
  | { readonly type: 'process'; readonly id: number; readonly message: Exclude<FromProcess, { readonly type: 'data' }> }
  /** The first thing a host says: what it can do. */
  | { readonly type: 'hello'; readonly noNewPrivileges: boolean }
  /** The host ends itself, and why. */
  | { readonly type: 'ending'; readonly message: string }
  | { readonly type: 'pong'; readonly request: number };

/** Output of a container, as it came. */
export interface Output {
  readonly id: number;
  readonly stream: 'stderr' | 'stdout';
  readonly bytes: Buffer;
}

/** The message in a frame's payload; undefined for what is none. */
export function parseFromHost(payload: Buffer): FromHost | undefined {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields.type === 'ending') return isText(fields.message) ? { type: 'ending', message: fields.message } : undefined;
  if (fields.type === 'pong') return isCount(fields.request) ? { type: 'pong', request: fields.request } : undefined;
  if (fields.type === 'hello') {
    const { noNewPrivileges } = fields;
    return typeof noNewPrivileges === 'boolean' ? { type: 'hello', noNewPrivileges } : undefined;
  }
  return isCount(fields.id) ? parseOfContainer(fields.id, fields) : undefined;
}

function parseOfContainer(id: number, fields: Readonly<Record<string, unknown>>): FromHost | undefined {
  const { type, exitCode, outOfMemory, message, request, memoryBytes, cpuNanoseconds, exec } = fields;
  if (type === 'started') return { type, id };
  if (type === 'exited') {
    const isEnd = isCount(exitCode) && exitCode < 256 && typeof outOfMemory === 'boolean' && isText(message);
    return isEnd ? { type, id, exitCode, outOfMemory, message } : undefined;
  }
  if (type === 'stats') {
    const isStats = isCount(request) && isCount(memoryBytes) && isCount(cpuNanoseconds);
    return isStats ? { type, id, request, memoryBytes, cpuNanoseconds } : undefined;
  }
  if (type === 'process') {
    const told = parseProcess(fields.message);
    return told === undefined || told.type === 'data' ? undefined : { type, id, message: told };
  }
  if (type !== 'execDone' || !isCount(exec)) return undefined;
  const output = parseOutput(fields.output);
  return output === undefined ? undefined : { type, id, exec, output };
}

/** What a command gave, cut to its limits; undefined for what is none. */
export function parseOutput(value: unknown): Required<CommandOutput> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { exitCode, stdout = '', stderr = '' } = value as Readonly<Record<string, unknown>>;
  if (!Number.isInteger(exitCode) || typeof stdout !== 'string' || typeof stderr !== 'string') return undefined;
  return {
    exitCode: (exitCode as number) & 255,
    stdout: stdout.slice(0, execCharactersMax),
    stderr: stderr.slice(0, execCharactersMax),
  };
}

/** What a process says; undefined for what is none. */
export function parseProcess(value: unknown): FromProcess | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, id, bytes, stream, exitCode, problem } = value as Readonly<Record<string, unknown>>;
  if (!isCount(id)) return undefined;
  if (type === 'read') return isCount(bytes) && bytes <= streamWindowBytes ? { type, id, bytes } : undefined;
  if (type === 'data') {
    const isPiece = bytes instanceof Uint8Array && bytes.length <= streamPieceBytes;
    return isPiece && (stream === 'stdout' || stream === 'stderr') ? { type, id, stream, bytes } : undefined;
  }
  if (type !== 'closed' || !isCount(exitCode)) return undefined;
  return { type, id, exitCode: exitCode & 255, ...(isText(problem) ? { problem } : {}) };
}

/** A piece of a stream of one process of a container. */
export interface StreamPiece {
  readonly id: number;
  readonly process: number;
  readonly stream: 'stderr' | 'stdin' | 'stdout';
  readonly bytes: Buffer;
}

const streamHeaderBytes = 9;
const streams = ['stdin', 'stdout', 'stderr'] as const;

/** Payload of a stream's frame. */
export function encodeStream({
  id,
  process,
  stream,
  bytes,
}: Omit<StreamPiece, 'bytes'> & { readonly bytes: Uint8Array }): Buffer {
  const payload = Buffer.allocUnsafe(streamHeaderBytes + bytes.length);
  payload.writeUInt32BE(id, 0);
  payload.writeUInt32BE(process, 4);
  payload[8] = streams.indexOf(stream);
  payload.set(bytes, streamHeaderBytes);
  return payload;
}

/** The piece in a frame's payload; undefined for what is none. */
export function parseStreamFrame(payload: Buffer): StreamPiece | undefined {
  if (payload.length < streamHeaderBytes || payload.length > streamHeaderBytes + streamPieceBytes) return undefined;
  const stream = streams[payload[8]!];
  if (stream === undefined) return undefined;
  const bytes = payload.subarray(streamHeaderBytes);
  return { id: payload.readUInt32BE(0), process: payload.readUInt32BE(4), stream, bytes };
}

const outputHeaderBytes = 5;

/** Payload of an output frame. */
export function encodeOutput({ id, stream, bytes }: Output): Buffer {
  const payload = Buffer.allocUnsafe(outputHeaderBytes + bytes.length);
  payload.writeUInt32BE(id, 0);
  payload[4] = stream === 'stdout' ? 1 : 2;
  payload.set(bytes, outputHeaderBytes);
  return payload;
}

/** Output in a frame's payload; undefined for what is none. */
export function parseOutputFrame(payload: Buffer): Output | undefined {
  if (payload.length < outputHeaderBytes || payload.length > outputHeaderBytes + outputBytesMax) return undefined;
  const stream = payload[4] === 1 ? 'stdout' : payload[4] === 2 ? 'stderr' : undefined;
  if (stream === undefined) return undefined;
  return { id: payload.readUInt32BE(0), stream, bytes: payload.subarray(outputHeaderBytes) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= textCharactersMax;
}
