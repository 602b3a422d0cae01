/**
 * A gRPC server: calls with one message and one answer, over Node's HTTP/2 on a Unix socket. Upstream counterpart: `google.golang.org/grpc` `Server`.
 *
 * Laws:
 * 1. Each call gets one answer or one error; what a method throws is its error, by its code where it is a `GrpcError` and else by `unknown`.
 * 2. A message of more than 4 MiB is refused before it is read, as Go's servers do.
 * 3. A socket that is there already is taken over: whoever listened there is asked no more.
 * 4. Once `close` has resolved, nobody is connected and the socket is gone.
 */
import { rm } from 'node:fs/promises';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { getBuiltinModule } from 'node:process';
import { errorText } from '#pkg/base/error-text.ts';
import { GrpcError, grpcCodes } from './grpc-error.ts';
import { FrameReader } from './grpc-frames.ts';
import { Fields } from './message.ts';

/** Largest message taken. Source: `defaultServerMaxReceiveMessageSize`. */
const messageBytesMax = 4 * 1024 * 1024;

/** Answers one call: with a message that has its frame. `signal` is aborted when nobody waits for the answer any more. */
export type GrpcMethod = (request: Fields, signal: AbortSignal) => Promise<Uint8Array>;

/** Methods by their paths, such as `/v1beta1.Registration/Register`. */
export type GrpcMethods = Readonly<Record<string, GrpcMethod>>;

/** A server that listens. */
export interface GrpcServer {
  /** See law 4. */
  close(): Promise<void>;
}

/** Listens at the path of a socket, of at most 107 bytes. Rejects where it cannot. */
export async function serveGrpc(socketPath: string, methods: GrpcMethods): Promise<GrpcServer> {
  const http = getBuiltinModule('node:http2').createServer();
  const sessions = new Set<ServerHttp2Session>();
  http.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    // What goes wrong with one ends that one alone.
    session.on('error', () => {});
  });
  http.on('stream', (stream: ServerHttp2Stream, headers) => void answer(stream, headers, methods));
  await rm(socketPath, { force: true });
  await listen(http, socketPath);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function listen(http: Http2Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject);
    http.listen({ path }, () => {
      http.off('error', reject);
      resolve();
    });
  });
}

const contentType = 'application/grpc';

/** Never rejects. */
async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, methods: GrpcMethods): Promise<void> {
  const gone = new AbortController();
  stream.on('error', () => gone.abort());
  stream.on('close', () => gone.abort());
  if (headers['content-type']?.startsWith(contentType) !== true) {
    stream.respond({ ':status': 415 }, { endStream: true });
    return;
  }
  try {
    const path = headers[':path'] ?? '';
    const method = Object.hasOwn(methods, path) ? methods[path] : undefined;
    if (method === undefined)
      throw new GrpcError(`unknown method ${path}`, { code: grpcCodes.unimplemented, wasSent: true });
    const message = await method(new Fields(await requestOf(stream)), gone.signal);
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-type': contentType }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(message);
  } catch (error) {
    refuse(stream, error);
  }
}

function refuse(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.headersSent) return;
  const code = error instanceof GrpcError ? error.code : grpcCodes.unknown;
  stream.respond(
    {
      ':status': 200,
      'content-type': contentType,
      'grpc-status': String(code),
      'grpc-message': encodeMessage(errorText(error)),
    },
    { endStream: true },
  );
}

/** Bytes that are no printable ASCII, and `%`, as %XX. Source: gRPC over HTTP/2, `Status-Message`. */
function encodeMessage(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => {
      const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
      return isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

/** The one message of a call. What follows one that is refused is passed over, so that the refusal is heard. */
function requestOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const reader = new FrameReader(messageBytesMax);
  const messages: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      try {
        messages.push(...reader.push(chunk));
      } catch (error) {
        stream.off('data', take);
        stream.resume();
        reject(error);
      }
    };
    stream.on('data', take);
    stream.on('close', () =>
      reject(new GrpcError('the call was cut off', { code: grpcCodes.internal, wasSent: true })),
    );
    stream.on('end', () => {
      const [message] = messages;
      if (message !== undefined && messages.length === 1) resolve(message);
      else reject(new GrpcError('a call has one message', { code: grpcCodes.internal, wasSent: true }));
    });
  });
}
