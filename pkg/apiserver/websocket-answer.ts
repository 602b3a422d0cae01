/**
 * Watches and logs as WebSockets, for clients that ask for one, such as dashboards in browsers. An event is a message, a log one message after the
 * other; what a client sends is thrown away. Invariants: the client is waited for, so that no more is made than it takes; when it goes, what the
 * answer is made of ends.
 * Source: apiserver `endpoints/handlers/watch.go` `HandleWS`; streaming `httpstream/wsstream/stream.go`.
 */
import { Buffer } from 'node:buffer';
import type { ApiRequest, ApiResponse, ResponseBody, UpgradedConnection, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { closeCode } from '#pkg/serving/websocket/frames.ts';
import { type WebSocketChoice, webSocketAnswer } from '#pkg/serving/websocket/handshake.ts';
import { WebSocket } from '#pkg/serving/websocket/websocket.ts';

type Watch = Extract<ResponseBody, { readonly kind: 'watch' }>;
type Stream = Extract<ResponseBody, { readonly kind: 'stream' }>;

/** Bytes of a log that are one message. */
const messageBytesMax = 32 * 1024;

const base64Protocol = 'base64.binary.k8s.io';
const logProtocols: readonly string[] = ['binary.k8s.io', base64Protocol];

/** A watch as a WebSocket; other answers stay as they are. Whatever protocol a client offers first is spoken, as all are the same. */
export function watchOverWebSocket(request: ApiRequest, answer: ApiResponse, clock: Clock): ApiResponse {
  const { body } = answer;
  if (body.kind !== 'watch') return answer;
  const contentType = answer.headers['content-type'] ?? '';
  return overWebSocket(request, body, {
    choose: (offered) => offered[0] ?? '',
    accept: (connection) => talk(connection, clock, (socket) => sendWatch(socket, body, contentType)),
  });
}

/** A log as a WebSocket; refusals, and logs that there are not, stay as they are. */
export function logOverWebSocket(request: ApiRequest, answer: ApiResponse, clock: Clock): ApiResponse {
  const { status, body } = answer;
  if (status !== 200 || (body.kind !== 'stream' && body.kind !== 'bytes')) return answer;
  const stream: Stream = body.kind === 'stream' ? body : { kind: 'stream', chunks: once(body.bytes) };
  return overWebSocket(request, stream, {
    choose: (offered) => (offered.length === 0 ? '' : offered.find((name) => logProtocols.includes(name))),
    accept: (connection, protocol) => talk(connection, clock, (socket) => sendLog(socket, stream, protocol)),
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function overWebSocket(request: ApiRequest, body: Stream | Watch, choice: WebSocketChoice): ApiResponse {
  const upgraded = webSocketAnswer(request, choice);
  if (upgraded.status !== 101) stop(body);
  return upgraded;
}

/** Sends, and hears nothing but the end of it. */
async function talk(
  connection: UpgradedConnection,
  clock: Clock,
  send: (socket: WebSocket) => Promise<void>,
): Promise<void> {
  const socket = new WebSocket(connection, { clock });
  socket.ignoreMessages();
  // Once the client closes, its connection ends, and with it what the answer is made of.
  void socket.ended.then(() => socket.close());
  try {
    await send(socket);
  } catch (error) {
    await socket.close(closeCode.internalError, 'the stream has failed');
    throw error;
  }
  await socket.close();
}

function sourceOf(body: Stream | Watch): AsyncIterator<unknown> {
  return (body.kind === 'watch' ? body.batches : body.chunks)[Symbol.asyncIterator]();
}

/** Ends what an answer is made of. A generator that waits for its own source hears of it when that ends, which the request's signal sees to. */
function stop(body: Stream | Watch, source: AsyncIterator<unknown> = sourceOf(body)): void {
  if (body.kind === 'watch') body.ready?.close();
  source.return?.().catch(() => {});
}

/** Sends what comes until that ends, or the client does. */
async function pass<T>(socket: WebSocket, body: Stream | Watch, send: (item: T) => Promise<void>): Promise<void> {
  const source = sourceOf(body) as AsyncIterator<T>;
  void socket.ended.then(() => stop(body, source));
  for (let next = await source.next(); next.done !== true && !socket.isEnded; next = await source.next()) {
    await send(next.value);
  }
}

async function sendWatch(socket: WebSocket, body: Watch, contentType: string): Promise<void> {
  const isText = contentType.startsWith('application/json');
  await pass(socket, body, async (batch: readonly WatchFrame[]) => {
    for (const frame of batch) {
      const bytes = frame.bytes();
      // A message has a length of its own.
      const wantsMore = isText ? socket.send(bytes, 'text') : socket.send(bytes.subarray(4), 'binary');
      if (!wantsMore) await socket.drained();
    }
  });
}

async function sendLog(socket: WebSocket, body: Stream, protocol: string): Promise<void> {
  const send = (bytes: Uint8Array): boolean =>
    protocol === base64Protocol
      ? socket.send(Buffer.from(Buffer.from(bytes).toString('base64')), 'text')
      : socket.send(bytes, 'binary');
  // Says that the log is there, however long its first line is in coming.
  send(new Uint8Array(0));
  await pass(socket, body, async (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length; at += messageBytesMax) {
      if (!send(chunk.subarray(at, at + messageBytesMax))) await socket.drained();
    }
  });
}
