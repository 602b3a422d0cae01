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
  send(socket, framesOf(batch), []);
  return socket;
}

/** What waits for the next round is in `round`. */
function send(socket: SlowSocket, frames: ReadyFrames, round: (() => void)[]): void {
  const response = Object.assign(new EventEmitter(), { socket }) as unknown as ServerResponse;
  const rounds = { add: (tell: () => void) => void round.push(tell) };
  void sendFrames({ to: socket, join: chunksOf, response, frames, rounds });
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

test('what comes is written in the next round, all of it at once, and without one when it cannot wait', () => {
  const waiting: WatchFrame[] = [];
  let tell: (atOnce: boolean) => void = () => {};
  const frames: ReadyFrames = {
    isEnded: false,
    take: () => waiting.splice(0),
    onReady: (listener) => {
      tell = listener;
    },
    close: () => {},
  };
  const [socket, round]: [SlowSocket, (() => void)[]] = [new SlowSocket(), []];
  send(socket, frames, round);
  for (const letter of ['a', 'b']) {
    waiting.push(frameOf(10, letter, true));
    tell(false);
  }
  expect([socket.written.length, round.length]).toEqual([0, 1]);
  round.pop()?.();
  expect(socket.written.map((bytes) => Buffer.from(bytes).toString())).toEqual([
    `a\r\n${'a'.repeat(10)}\r\na\r\n${'b'.repeat(10)}\r\n`,
  ]);
  socket.emit('drain');
  waiting.push(frameOf(10, 'c', true));
  tell(true);
  expect([socket.written.length, round.length]).toEqual([2, 0]);
});
