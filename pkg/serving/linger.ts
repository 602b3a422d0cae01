/**
 * What becomes of a request that was answered before its body had come. A connection that is closed while something is unread loses the answer on
 * its way, so the rest is read and thrown away for a while, within bounds: short ones for those who may not be here, long ones for clients that
 * look at the answer only once they have sent everything.
 * Upstream counterpart: `net/http` `server.go` `closeWriteAndWait`, `maxPostHandlerReadBytes`.
 */
import type { Socket } from 'node:net';
import type { Clock } from '#pkg/base/clock.ts';
import type { Connections, Lingering } from './connections.ts';
import type { Exchange } from './exchange.ts';
import type { ServingLimits } from './limits.ts';

/** What all that linger share. */
export interface LingerOptions {
  readonly connections: Connections;
  readonly limits: ServingLimits;
  readonly clock: Clock;
}

/** Ends an answer that is written but for its end, once the client has sent the rest or has had its time; the connection ends with it. */
export function linger(exchange: Exchange, { connections, limits, clock }: LingerOptions): void {
  const { request, response, connection, body } = exchange;
  const isShort = !connection.isKnown || response.statusCode === 401 || response.statusCode === 403;
  const end = (): void => {
    connections.lingered(lingering);
    if (isSaid) connection.destroy();
    else if (!response.writableEnded) response.end();
  };
  const lingering: Lingering = {
    isShort,
    untilMs: clock.monotonicMs() + (isShort ? limits.lingerMs : limits.discardMs),
    end,
  };
  // An answer of a known length is all there without its end.
  const isSaid = isShort && !response.chunkedEncoding;
  if (isSaid) connection.socket?.end();
  connections.linger(lingering);
  request.once('close', end);
  const bytesMax = isShort ? limits.lingerBytes : limits.discardBytes;
  // A client that may not be here is left with the rest of what is too long, so that the answer is not lost on its way.
  const isLeft = isShort && (body?.lengthBytes ?? Number.POSITIVE_INFINITY) > bytesMax;
  discard(request, bytesMax, isLeft ? () => request.pause() : end);
}

/** Reads and throws away what comes, up to `bytesMax`; then, or at the end, calls `done`. */
export function discard(request: Exchange['request'], bytesMax: number, done: () => void): void {
  if (request.throwAway?.(bytesMax, done) === true) return;
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    letGo(chunk);
    if (length > bytesMax) done();
  });
  request.once('end', done);
  request.resume();
}

/** Frees the memory of a piece of a body at once, where nothing else is in it, rather than when garbage is next collected: of thousands at a time that is a lot. */
function letGo(chunk: Buffer): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length) buffer.transfer(0);
}

/** Destroys a socket on which the last word was said, a moment after it: closing at once would take the word back. */
export function lingerOn(socket: Socket, connections: Connections, untilMs: number): void {
  const lingering = {
    untilMs,
    isShort: true,
    end: () => {
      connections.lingered(lingering);
      socket.destroy();
    },
  };
  connections.linger(lingering);
  socket.once('close', () => connections.lingered(lingering));
}
