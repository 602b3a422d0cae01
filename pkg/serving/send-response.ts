/**
 * Writes an `ApiResponse` to a connection. What is whole leaves in one write, so that head and body share a TLS record; streams are written at
 * the reader's pace; watches have a writer of their own. Invariant: the answer to a request whose body nobody read ends its connection.
 */
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import type { ApiResponse, ResponseBody, SlicedBytes, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { Exchange } from './exchange.ts';
import { sliceBytes } from './limits.ts';
import { discard, type LingerOptions, linger } from './linger.ts';
import type { Outgoing } from './message.ts';
import { giveSlice, takeSlice } from './slice-memory.ts';
import type { WatchRounds } from './watch-rounds.ts';
import { frameSink, sendFrames } from './watch-sender.ts';

/** Smaller answers are not worth compressing. Source: apiserver `responsewriters` `defaultGzipThresholdBytes`. */
const gzipBytesMin = 128 * 1024;

/** Of what is compressed, the most that waits for its reader at a time. */
const gzipChunkBytes = 64 * 1024;

const noBytes = new Uint8Array(0);

/** An answer that is not a connection. */
export type PlainResponse = ApiResponse & { readonly body: Exclude<ResponseBody, { readonly kind: 'upgrade' }> };

/** What all answers of a server share. */
export interface SendOptions extends LingerOptions {
  readonly rounds: WatchRounds;
}

/**
 * Resolves once all of the body is handed to the connection, or the reader has gone; undefined where that is so at once. Rejects or throws when the
 * body fails.
 */
export function sendResponse(
  exchange: Exchange,
  answer: PlainResponse,
  options: SendOptions,
): Promise<void> | undefined {
  const { body } = answer;
  const { request } = exchange;
  const isEndless = body.kind === 'stream' || body.kind === 'watch';
  const sending: Sending = { exchange, answer, options };
  if (isEndless && request.method === 'HEAD') return sendBytes(sending, noBytes);
  switch (body.kind) {
    case 'empty':
      return sendBytes(sending, noBytes);
    case 'bytes':
      return sendWhole(sending, body.bytes);
    case 'object': {
      if (body.sliced === undefined || request.method === 'HEAD') return sendWhole(sending, body.bytes());
      const { length, slices } = body.sliced();
      if (length > gzipBytesMin && wantsGzip(sending)) return sendGzip(sending, slices(Buffer.allocUnsafeSlow));
      if (length <= sliceBytes) return sendBytes(sending, wholeOf(length, slices));
      return sendSlices(sending, length, slices(takeSlice));
    }
    case 'stream':
      begin(sending);
      return writeAll(exchange.response, body.chunks);
    case 'watch':
      return sendWatch(sending, body);
  }
}

interface Sending {
  readonly exchange: Exchange;
  readonly answer: ApiResponse;
  readonly options: SendOptions;
}

function headOf(answer: ApiResponse, length: number | undefined, isLast: boolean): string[] {
  const head: string[] = answer.headers['cache-control'] === undefined ? ['Cache-Control', 'no-cache, private'] : [];
  // An answer without its body may say how long that is, as to a HEAD that was passed on.
  const isStated = length === 0 && answer.headers['content-length'] !== undefined;
  for (const name in answer.headers) {
    const value = answer.headers[name];
    if (value !== undefined && (name !== 'content-length' || isStated || length === undefined)) head.push(name, value);
  }
  if (length !== undefined) {
    if (!isStated) head.push('Content-Length', String(length));
    answer.sizes?.observe(length);
  }
  if (isLast) head.push('Connection', 'close');
  return head;
}

function sendBytes(sending: Sending, bytes: Uint8Array): Promise<void> | undefined {
  const { exchange, answer, options } = sending;
  const { response, isUnread } = exchange;
  const isHead = exchange.method === 'HEAD';
  const { length } = bytes;
  if (!isHead && length > sliceBytes) return sendSlices(sending, length, slicesOf(bytes));
  response.writeHead(answer.status, headOf(answer, length, isUnread));
  if (isUnread) {
    if (isHead || length === 0) response.flushHeaders();
    else response.write(bytes);
    linger(exchange, options);
  } else if (isHead) response.end();
  else response.end(bytes);
  return undefined;
}

/** What is shorter than a slice leaves whole, in memory of its own. */
function wholeOf(length: number, slices: SlicedBytes['slices']): Uint8Array {
  const [whole] = slices(() => Buffer.allocUnsafe(length));
  return whole ?? noBytes;
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}

/** A long body goes slice by slice: encrypting all of it at once would take several times its memory, and longer. */
async function sendSlices(
  { exchange, answer, options }: Sending,
  length: number,
  slices: Iterable<Uint8Array>,
): Promise<void> {
  const { response, isUnread } = exchange;
  response.writeHead(answer.status, headOf(answer, length, isUnread));
  for (const slice of slices) {
    if (response.destroyed) return;
    if (!response.write(slice, (error) => error ?? giveSlice(slice))) await drained(response);
  }
  if (isUnread) linger(exchange, options);
  else response.end();
}

function sendWhole(sending: Sending, bytes: Uint8Array): Promise<void> | undefined {
  if (bytes.length > gzipBytesMin && wantsGzip(sending)) return sendGzip(sending, slicesOf(bytes));
  return sendBytes(sending, bytes);
}

/** Whether the client has asked for gzip by that name alone. Source: apiserver `responsewriters` `negotiateContentEncoding`. */
function wantsGzip({ exchange, answer }: Sending): boolean {
  const { request } = exchange;
  const asked = request.headers['accept-encoding'] as string | undefined;
  if (asked === undefined || request.method === 'HEAD' || answer.headers['content-encoding'] !== undefined)
    return false;
  return asked.split(',').some((encoding) => encoding.trim() === 'gzip');
}

/** Compresses slice by slice, on another thread and at the reader's pace. */
async function sendGzip(sending: Sending, slices: Iterable<Uint8Array>): Promise<void> {
  const { exchange, answer, options } = sending;
  const { response, isUnread } = exchange;
  const vary = answer.headers.vary === undefined ? 'Accept-Encoding' : `${answer.headers.vary}, Accept-Encoding`;
  const headers = { ...answer.headers, 'content-encoding': 'gzip', vary };
  response.writeHead(answer.status, headOf({ ...answer, headers }, undefined, isUnread));
  const zip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: gzipChunkBytes });
  await pipeline(slices, zip, (packed: AsyncIterable<Uint8Array>) => writeChunks(response, packed));
  if (isUnread) linger(exchange, options);
  else response.end();
}

/** Sends the head alone: what follows may be long in coming. What nobody reads of the request is thrown away, so that its client's end is seen. */
function begin({ exchange, answer, options }: Sending): void {
  const { request, response, body, isUnread } = exchange;
  response.writeHead(answer.status, headOf(answer, undefined, isUnread));
  response.flushHeaders();
  // A server behind a proxy may answer while it is still sent its request.
  if (isUnread && body?.isStreamed !== true)
    discard(request, options.limits.discardBytes, () => !request.complete && response.destroy());
}

async function writeAll(response: Outgoing, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await writeChunks(response, chunks);
  response.end();
}

/** Writes what comes at the reader's pace, until that has gone. */
async function writeChunks(response: Outgoing, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
}

/** Resolves, too, when it is closed while waiting: the caller looks at `destroyed`. */
async function drained(response: Outgoing): Promise<void> {
  if (response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('close', resolve);
  response.once('drain', resolve);
  await promise;
  response.removeListener('close', resolve);
  response.removeListener('drain', resolve);
}

/** Frames that are made for one watcher, such as rows of tables, go the way of any stream, some 256 KiB at a time. */
async function* linesOf(batches: AsyncIterable<readonly WatchFrame[]>): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) {
    let lines: Uint8Array[] = [];
    let length = 0;
    for (const frame of batch) {
      const line = frame.bytes();
      lines.push(line);
      length += line.length;
      if (length < sliceBytes) continue;
      yield Buffer.concat(lines, length);
      lines = [];
      length = 0;
    }
    if (length > 0) yield Buffer.concat(lines, length);
  }
}

async function sendWatch(
  sending: Sending,
  { batches, ready }: Extract<ResponseBody, { readonly kind: 'watch' }>,
): Promise<void> {
  begin(sending);
  const { response } = sending.exchange;
  const { rounds } = sending.options;
  const sink = ready === undefined ? undefined : frameSink(response);
  if (sink !== undefined && ready !== undefined) return sendFrames({ ...sink, response, frames: ready, rounds });
  return writeAll(response, linesOf(batches));
}
