/**
 * Streams into and out of containers: a command with its input and output, the program of a container itself, a port of a pod. The kubelet
 * carries them over WebSocket or SPDY; here they are bytes. `conformance.ts` holds the laws.
 *
 * Laws:
 * 1. Only what was asked for is there: `stdin` with `options.stdin`, and `stderr` never with `tty`, whose output is all `stdout`.
 * 2. Output is read at the reader's pace and comes whole and in order; it ends when the process has. What nobody reads does not keep the process
 *    from ending.
 * 3. `exitCode` resolves once the process has ended. For `attach` that is the container's exit. It rejects with `RuntimeError` when the container
 *    ends or is removed under a command, and when `signal` is aborted, which ends a command and leaves a container alone.
 * 4. What the runtime has not the feature for rejects with reason `unsupported`, a container that is not there with `notFound`, and one that does not
 *    run with `failed`.
 */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';

/** The size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The input of a process. */
export interface ProcessInput {
  /** Resolves when there is room for more. What comes after the process has ended is lost. */
  write(bytes: Uint8Array): Promise<void>;
  /** No more comes. */
  end(): void;
}

/** The streams of something that runs. */
export interface ProcessStreams {
  readonly stdin?: ProcessInput;
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly exitCode: Promise<number>;
  /** Tells a terminal its size; nothing without one. */
  resize(size: TerminalSize): void;
}

/** Which streams are wanted; `signal` lets go of them. */
export interface AttachOptions {
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly signal?: AbortSignal;
}

/** The command, and which of its streams are wanted. */
export interface ExecStreamOptions extends AttachOptions {
  readonly command: readonly string[];
}

/** Which port, and where it is. */
export interface PortForwardOptions {
  readonly port: number;
  /** Of the pod: where the port is, for runtimes whose containers share the node's network. */
  readonly addresses: readonly string[];
  readonly signal?: AbortSignal;
}

/** Streams into and out of containers; see the laws above. */
export interface StreamingService {
  exec(id: string, options: ExecStreamOptions): Promise<ProcessStreams>;
  attach(id: string, options: AttachOptions): Promise<ProcessStreams>;
  /** A connection to a port of a sandbox, as from inside of it. Rejects with `failed` where nobody listens. */
  portForward(sandboxId: string, options: PortForwardOptions): Promise<UpgradedConnection>;
}
