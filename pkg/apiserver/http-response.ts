/** Writes an `ApiResponse` to a connection. Streams are written at the reader's pace; watches have a writer of their own. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import { isSliced, sliceBytes } from './responses.ts';
import { sendFrames } from './watch-sender.ts';
import { areReady } from './watch-stream.ts';

/** Smaller answers are not worth compressing. Source: apiserver `responsewriters` `defaultGzipThresholdBytes`. */
const gzipBytesMin = 128 * 1024;

const gzipAsync = promisify(gzip);
const noBytes = new Uint8Array(0);

/** Resolves once all of the body is handed to the connection, or the reader has gone. Rejects when the body fails. */
export async function sendResponse(
  response: ServerResponse,
  request: IncomingMessage,
  answer: ApiResponse,
): Promise<void> {
  const { body } = answer;
  const isEndless = body.kind === 'stream' || body.kind === 'watch';
  if (isEndless && request.method === 'HEAD') return sendBytes(response, request, answer, noBytes);
  switch (body.kind) {
    case 'empty':
      return sendBytes(response, request, answer, noBytes);
    case 'bytes':
      return sendBytes(response, request, answer, body.bytes);
    case 'object': {
      const zip = wantsGzip(request);
      if (!zip && isSliced(body) && request.method !== 'HEAD') {
        const { length, slices } = body.sliced();
        if (length <= sliceBytes) return sendBytes(response, request, answer, Buffer.concat([...slices], length));
        return sendSlices(response, { ...answer, length }, slices);
      }
      const bytes = body.bytes();
      if (zip && bytes.length > gzipBytesMin) return sendGzip(response, request, answer, bytes);
      return sendBytes(response, request, answer, bytes);
    }
    case 'stream':
      return sendStream(response, answer, body.chunks);
    case 'watch':
      return sendWatch(response, answer, body.batches);
  }
}

function headOf(answer: ApiResponse, length: number | undefined): string[] {
  const head: string[] = answer.headers['cache-control'] === undefined ? ['Cache-Control', 'no-cache, private'] : [];
  for (const name in answer.headers) {
    const value = answer.headers[name];
    if (value !== undefined) head.push(name, value);
  }
  if (length !== undefined) head.push('Content-Length', String(length));
  return head;
}

function sendBytes(
  response: ServerResponse,
  request: IncomingMessage,
  answer: ApiResponse,
  bytes: Uint8Array,
): Promise<void> | void {
  const isHead = request.method === 'HEAD';
  const { length } = bytes;
  if (!isHead && length > sliceBytes) return sendSlices(response, { ...answer, length }, slicesOf(bytes));
  response.writeHead(answer.status, headOf(answer, length));
  if (isHead) response.end();
  else response.end(bytes);
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}

/** A long body goes slice by slice: encrypting all of it at once would take several times its memory, and longer. */
async function sendSlices(
  response: ServerResponse,
  answer: ApiResponse & { readonly length: number },
  slices: Iterable<Uint8Array>,
): Promise<void> {
  response.writeHead(answer.status, headOf(answer, answer.length));
  for (const slice of slices) {
    if (response.destroyed) return;
    if (!response.write(slice)) await drained(response);
  }
  response.end();
}

/** On the same machine the network is faster than compression. */
function wantsGzip(request: IncomingMessage): boolean {
  const address = request.socket.remoteAddress ?? '';
  if (address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.')) return false;
  return (request.headers['accept-encoding'] as string | undefined)?.includes('gzip') === true;
}

async function sendGzip(
  response: ServerResponse,
  request: IncomingMessage,
  answer: ApiResponse,
  bytes: Uint8Array,
): Promise<void> {
  const packed = await gzipAsync(bytes, { level: constants.Z_BEST_SPEED });
  const headers = { ...answer.headers, 'content-encoding': 'gzip', vary: 'Accept-Encoding' };
  await sendBytes(response, request, { ...answer, headers }, packed);
}

async function sendStream(
  response: ServerResponse,
  answer: ApiResponse,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  begin(response, answer);
  return writeAll(response, chunks);
}

/** Sends the head alone: what follows may be long in coming. */
function begin(response: ServerResponse, answer: ApiResponse): void {
  response.writeHead(answer.status, headOf(answer, undefined));
  response.flushHeaders();
}

async function writeAll(response: ServerResponse, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  response.once('close', onClose);
  try {
    await once(response, 'drain', { signal: gone.signal });
  } catch {
    // Closed while waiting: the caller looks at `destroyed`.
  } finally {
    response.removeListener('close', onClose);
  }
}

/** Frames of a batch that are put together for one write. */
const batchFramesMax = 256;

/** Frames that are made for one watcher, such as rows of tables, go the way of any stream. */
async function* linesOf(batches: AsyncIterable<readonly WatchFrame[]>): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) {
    for (let at = 0; at < batch.length; at += batchFramesMax)
      yield Buffer.concat(batch.slice(at, at + batchFramesMax).map((frame) => frame.bytes()));
  }
}

async function sendWatch(
  response: ServerResponse,
  answer: ApiResponse,
  batches: AsyncIterable<readonly WatchFrame[]>,
): Promise<void> {
  begin(response, answer);
  // A connection may still be another answer's, and a client of HTTP/1.0 knows no chunks.
  const takesChunks = response.socket !== null && response.chunkedEncoding;
  if (takesChunks && areReady(batches)) return sendFrames(response, batches);
  return writeAll(response, linesOf(batches));
}
