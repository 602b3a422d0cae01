/**
 * The question of gRPC probes: one `Check` of the standard health service over HTTP/2 without TLS. Messages are so small that they are read
 * and written by hand. Source: `grpc/health/v1/health.proto`, gRPC over HTTP/2; kubelet `pkg/probe/grpc`.
 */
import { getBuiltinModule } from 'node:process';
import { varintBytes } from '#pkg/apimachinery/protobuf/wire.ts';
import type { GrpcProbeRequest, ProbeAnswer } from '../runtime/probe-transport.ts';

const servingStatuses: Readonly<Record<number, string>> = {
  0: 'UNKNOWN',
  1: 'SERVING',
  2: 'NOT_SERVING',
  3: 'SERVICE_UNKNOWN',
};
const serving = 1;

/** The gRPC status of a method that the server does not have. */
const unimplemented = '12';

/** Longest answer that is read: a health response takes two bytes. */
const answerBytesMax = 4_096;

/** Asks once and calls `done` at most once; returns how to give up. */
export function askGrpcHealth(request: GrpcProbeRequest, done: (answer: ProbeAnswer) => void): () => void {
  const address = `${request.host}:${request.port}`;
  // Loaded by the first probe of its sort: it takes 20 ms, and few nodes have one.
  const { connect } = getBuiltinModule('node:http2');
  const session = connect(`http://${request.host.includes(':') ? `[${request.host}]` : request.host}:${request.port}`);
  // A server that is not there yet may come within the time of the probe; upstream waits for it too, and says so at the end of it.
  session.on('error', (error: Error & { readonly code?: string }) => {
    if (error.code !== 'ECONNREFUSED') done(fail(`error: health rpc probe failed: ${error.message}`));
  });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': address,
    'content-type': 'application/grpc',
    'user-agent': 'kube-probe/1.36',
    te: 'trailers',
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  let grpcStatus: string | undefined;
  let grpcMessage = '';
  const note = (headers: NodeJS.Dict<string | string[]>): void => {
    if (headers['grpc-status'] === undefined) return;
    grpcStatus = String(headers['grpc-status']);
    grpcMessage = decodedMessage(String(headers['grpc-message'] ?? ''));
  };
  stream.on('error', () => {});
  stream.on('response', note);
  stream.on('trailers', note);
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= answerBytesMax) chunks.push(chunk);
    else stream.close();
  });
  stream.on('end', () => {
    if (grpcStatus !== undefined) done(verdict(grpcStatus, grpcMessage, Buffer.concat(chunks)));
    else if (bytes > 0) done(fail('error: health rpc probe failed: the answer has no gRPC status'));
  });
  stream.end(frame(healthRequest(request.service)));
  return () => session.destroy();
}

/** The text that percents stand for; as it came where they stand for none. */
function decodedMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What is said when there was no answer in time. */
export function grpcTimeoutMessage({ host, port, timeoutMs }: GrpcProbeRequest): string {
  return `timeout: failed to connect service "${host}:${port}" within ${timeoutMs / 1000}s: context deadline exceeded`;
}

function verdict(status: string, message: string, body: Buffer): ProbeAnswer {
  if (status === unimplemented) {
    return fail(
      `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message || 'unimplemented'}`,
    );
  }
  if (status !== '0') return fail(`error: health rpc probe failed: rpc error: code = ${status} desc = ${message}`);
  // Five bytes of frame, then field 1 as a varint; a message without it says 0.
  const value = body.length >= 7 && body[5] === 0x08 ? body[6]! : 0;
  if (value === serving) return { ok: true, message: '' };
  return fail(`service unhealthy (responded with "${servingStatuses[value] ?? value}")`);
}

/** `service` as field 1, unless it is empty. */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  return name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a]), varintBytes(name.length), name]);
}

/** A message that is not compressed, with its length before it. */
function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function fail(message: string): ProbeAnswer {
  return { ok: false, message };
}
