/** What a watch holds for a reader that does not read, and that it loses nothing of what is written in pieces. */
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import type { ReadyFrames, WatchFrame } from '#pkg/apimachinery/http.ts';
import { chunkAround, chunksOf } from './chunked.ts';
import { sendFrames } from './watch-sender.ts';

/** A connection that wants no more after each write until it says so. */
class SlowSocket extends EventEmitter {
  readonly written: Uint8Array[] = [];

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return false;
  }
}

function framesOf(batch: readonly WatchFrame[]): ReadyFrames {
  let rest: readonly WatchFrame[] = batch;
  return {
    isEnded: false,
    take: () => {
      const taken = rest;
      rest = [];
      return taken;
    },
    onReady: () => {},
    close: () => {},
  };
}

function begin(batch: readonly WatchFrame[]): SlowSocket {
  const socket = new SlowSocket();
  const response = Object.assign(new EventEmitter(), { socket }) as unknown as ServerResponse;
  void sendFrames(response, { to: socket, join: chunksOf }, framesOf(batch));
  return socket;
}

function frameOf(length: number, letter: string, isShared: boolean): WatchFrame {
  const bytes = Buffer.alloc(length, letter);
  const frame = { type: 'ADDED', object: {}, bytes: () => bytes } as const;
  return isShared ? { ...frame, chunk: chunkAround(bytes) } : frame;
}

test.each([
  ['few long frames', [2_000_000, 1_000_000], true],
  ['few long frames of its own', [2_000_000, 1_000_000], false],
  ['many short frames of its own', Array.from({ length: 1_000 }, () => 3_000), false],
  ['short and long ones', [10, 900_000, 20, 30, 70_000], true],
])('of %s a reader that does not read is written a piece, and the rest in order', (_, lengths, isShared) => {
  const batch = lengths.map((length, i) => frameOf(length, String(i % 10), isShared));
  const socket = begin(batch);
  expect(socket.written).toHaveLength(1);
  for (let count = 0; count < socket.written.length; ) {
    count = socket.written.length;
    socket.emit('drain');
  }
  for (const piece of socket.written) expect(piece.length).toBeLessThanOrEqual(64 * 1024);
  const expected = Buffer.concat(batch.map((frame) => chunkAround(frame.bytes())));
  expect(Buffer.concat(socket.written).equals(expected)).toBe(true);
});

test('a short batch that all watchers are told is one write of the same bytes', () => {
  const batch = [frameOf(10, 'a', true), frameOf(20, 'b', true)];
  const [first, second] = [begin(batch), begin(batch)];
  expect(first.written).toHaveLength(1);
  expect(second.written[0]).toBe(first.written[0]);
});
