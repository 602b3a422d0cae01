/**
 * A command in a container over a WebSocket: what is typed goes in, what it says comes out, and its exit code. Source: KEP-4006, client-go
 * `tools/remotecommand/websocket.go`.
 */
import { type Status, StatusError } from '#pkg/apimachinery/status-error.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type ApiCall, digList, digText, type KubeApi } from './api.ts';
import type { ClientSocket } from './client-socket.ts';
import type { Machine } from './machine.ts';

/** The protocols that are spoken; with the first of them the end of the input can be told. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** What is carried. */
export interface Remote {
  readonly api: KubeApi;
  /** The request; its query says which streams there are. */
  readonly call: ApiCall;
  /** Bytes for the command; undefined for none. */
  readonly input?: AsyncIterable<Uint8Array> | undefined;
  readonly output: (bytes: Uint8Array) => Promise<void>;
  readonly errors: (bytes: Uint8Array) => Promise<void>;
  /** The person's terminal, which is raw while the command runs. */
  readonly terminal?: Machine['terminal'];
  readonly signal: AbortSignal;
}

/** Runs it to its end; resolves to the exit code. Throws `StatusError` where the server refuses, `UserError` where it fails there. */
export async function runRemote(remote: Remote): Promise<number> {
  const socket = await remote.api.openSocket(remote.call, protocols);
  const onAbort = (): void => socket.close();
  remote.signal.addEventListener('abort', onAbort, { once: true });
  const ungrab = remote.terminal === undefined ? undefined : grab(socket, remote.terminal);
  const ended = new AbortController();
  try {
    if (remote.input !== undefined) void feed(socket, remote.input, ended.signal);
    return await receive(socket, remote);
  } finally {
    ended.abort();
    ungrab?.();
    remote.signal.removeEventListener('abort', onAbort);
    socket.close();
  }
}

/** Passes every key on, and tells how large the terminal is. */
function grab(socket: ClientSocket, terminal: NonNullable<Machine['terminal']>): () => void {
  const tell = (): void => {
    const { width, height } = terminal.size();
    void socket.send(framed(channel.resize, Buffer.from(JSON.stringify({ Width: width, Height: height }))));
  };
  terminal.setRaw(true);
  tell();
  const off = terminal.onResize(tell);
  return () => {
    off();
    terminal.setRaw(false);
  };
}

function framed(number: number, bytes: Uint8Array): Uint8Array {
  const message = Buffer.allocUnsafe(bytes.length + 1);
  message[0] = number;
  message.set(bytes, 1);
  return message;
}

async function feed(socket: ClientSocket, input: AsyncIterable<Uint8Array>, ended: AbortSignal): Promise<void> {
  for await (const bytes of input) {
    if (ended.aborted) return;
    await socket.send(framed(channel.stdin, bytes));
  }
  if (socket.protocol === protocols[0]) await socket.send(Uint8Array.of(channel.close, channel.stdin));
}

async function receive(socket: ClientSocket, remote: Remote): Promise<number> {
  let status: Status | undefined;
  for await (const message of socket.messages()) {
    const rest = message.subarray(1);
    if (message[0] === channel.stdout) await remote.output(rest);
    else if (message[0] === channel.stderr) await remote.errors(rest);
    else if (message[0] === channel.error) status = JSON.parse(Buffer.from(rest).toString('utf8'));
  }
  if (status === undefined || status.status === 'Success') return 0;
  const causes = digList(status, 'details', 'causes');
  const code = causes.find((cause) => cause.reason === 'ExitCode');
  if (code !== undefined) return Number(digText(code, 'message'));
  if (status.reason === 'InternalError' || status.reason === undefined)
    throw new UserError(`error: ${status.message ?? 'the command failed'}`);
  throw StatusError.from({ ...status, code: status.code ?? 500 });
}
