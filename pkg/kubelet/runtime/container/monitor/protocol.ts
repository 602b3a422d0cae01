/**
 * What a kubelet and the monitor of its node say to each other over the monitor's socket, in frames (`../../frames.ts`). The first frame of a connection says
 * what it is for: calls and events, or the streams of one process. Both ends are the machine's root, who alone may open the socket, so what comes is
 * believed. Types and their encoding alone.
 */
import type { Buffer } from 'node:buffer';
import { encodeFrame, encodeMessage } from '../../frames.ts';
import type { TerminalSize } from '../../streams.ts';

/** Goes up with each change that an older monitor would misread. */
export const protocolVersion = 3;

/** Longest frame: a piece of a stream, or the list of a node's containers. */
export const frameBytesMax = 16 * 1024 * 1024;

/** Pieces of a stream are at most this long. */
export const streamPieceBytes = 64 * 1024;

/** What a connection is for. */
export type Opening =
  | { readonly type: 'control'; readonly version: number }
  | ExecOpening
  | AttachOpening
  | { readonly type: 'connect'; readonly namespace: string | undefined; readonly port: number };

/** What a container's program writes, and its input. */
export interface AttachOpening {
  readonly type: 'attach';
  readonly id: string;
  readonly stdin: boolean;
  /** It may not run yet: then all that it writes is seen, from its first byte on. */
  readonly isEarly?: boolean;
}

/** A command in a container. */
export interface ExecOpening {
  readonly type: 'exec';
  readonly id: string;
  /** The process as the OCI runtime takes it. */
  readonly process: unknown;
  /** Whose its pipes are, where its users are its own. */
  readonly owner?: number;
  readonly stdin: boolean;
  readonly tty: boolean;
}

/** Namespaces and shared memory of a pod, below a folder. */
export interface SandboxCall {
  readonly method: 'makeSandbox';
  readonly folder: string;
  readonly hostname: string;
  readonly ownNetwork: boolean;
  readonly ownIpc: boolean;
  /** The first of the ids that the pod's users are outside, where they are its own. */
  readonly userBase?: number;
}

/** A container to run: its bundle is there. */
export interface RunCall {
  readonly method: 'run';
  readonly id: string;
  /** Path of the OCI runtime that makes it, and does all else with it. */
  readonly ociRuntime: string;
  readonly bundle: string;
  /** CRI log; what is there goes on. Absent: output goes nowhere. */
  readonly logPath?: string;
  readonly exitPath: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  /** Whose its pipes are, where its users are its own. */
  readonly owner?: number;
  /** Folders of its cgroup, by which what it started is found. */
  readonly cgroups: readonly string[];
}

/** Other limits for a container that runs, as the OCI runtime takes them. */
export interface UpdateCall {
  readonly method: 'update';
  readonly id: string;
  readonly resources: unknown;
}

/** What can be asked for. */
export type Call =
  | SandboxCall
  | RunCall
  | { readonly method: 'removeSandbox'; readonly folder: string }
  | { readonly method: 'signal'; readonly id: string; readonly signal: number }
  /** All that it consists of goes; it may run. */
  | { readonly method: 'remove'; readonly id: string }
  | UpdateCall
  /** Ends the monitor; containers stay. */
  | { readonly method: 'end' };

/** How a container ended. */
export interface ExitRecord {
  readonly atMs: number;
  readonly exitCode: number;
  readonly isOutOfMemory: boolean;
  /** Nobody saw the end: the machine was started again, or the monitor was. */
  readonly isUnseen?: true;
}

/** A container that the monitor knows of. */
export interface MonitoredContainer {
  readonly id: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly exit?: ExitRecord;
}

/** A call, to which there is one answer of the same number. */
export interface NumberedCall {
  readonly n: number;
  readonly call: Call;
}

/** What the monitor says on a connection for calls. */
export type FromMonitor =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly containers: readonly MonitoredContainer[];
    }
  | { readonly type: 'answer'; readonly n: number; readonly result?: MonitoredContainer; readonly problem?: string }
  | { readonly type: 'exit'; readonly id: string; readonly exit: ExitRecord };

/** What is said besides bytes on a connection for streams, to the process. */
export type ToProcess = { readonly type: 'resize'; readonly size: TerminalSize } | { readonly type: 'inputEnd' };

/** And from it: `opened` comes first, `exited` last; `problem` ends it. */
export type FromProcess =
  | { readonly type: 'opened' }
  /** A piece of input, in the order in which they were sent: no more than one is on its way. */
  | { readonly type: 'taken' }
  | { readonly type: 'exited'; readonly exitCode: number }
  | { readonly type: 'problem'; readonly message: string; readonly reason: 'failed' | 'notFound' };

/** A stream of a process. */
export type Channel = 'stderr' | 'stdin' | 'stdout';
const channels: readonly Channel[] = ['stdin', 'stdout', 'stderr'];

/** The frame of bytes of a stream. */
export function encodePiece(channel: Channel, bytes: Uint8Array): Buffer {
  const payload = new Uint8Array(bytes.length + 1);
  payload[0] = channels.indexOf(channel);
  payload.set(bytes, 1);
  return encodeFrame('stream', payload);
}

/** The bytes and their stream; undefined for what is none. */
export function parsePiece(payload: Buffer): { readonly channel: Channel; readonly bytes: Buffer } | undefined {
  const channel = channels[payload[0] ?? channels.length];
  return channel === undefined ? undefined : { channel, bytes: payload.subarray(1) };
}

/** A message's frame. */
export function encodeJson(message: Call | FromMonitor | FromProcess | NumberedCall | Opening | ToProcess): Buffer {
  return encodeMessage(message);
}
