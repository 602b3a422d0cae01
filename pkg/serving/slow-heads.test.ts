/** Clients whose head comes a byte at a time are read from in turn, so that thousands of them that send at one moment do not hold up the others. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type Connection, Connections } from './connections.ts';
import { defaultLimits } from './limits.ts';

/** As much of a socket as the table of connections looks at. */
class FakeSocket extends Duplex {
  bytesRead = 0;
  bytesWritten = 0;
  isRead = true;
  turns = 0;
  readonly _handle = {
    readStart: (): void => {
      this.isRead = true;
      this.turns++;
    },
    readStop: (): void => {
      this.isRead = false;
    },
  };

  override _read(): void {}
}

function setUp(count: number) {
  const clock = new VirtualClock();
  const connections = new Connections({ clock, limits: defaultLimits, log: silentLogger });
  const sockets = Array.from({ length: count }, () => new FakeSocket());
  const opened = sockets.map((fake): Connection => {
    const socket = fake as unknown as Socket;
    const connection = connections.add(socket);
    if (connection === undefined) throw new Error('no room');
    connections.open(socket, socket);
    return connection;
  });
  return { clock, connections, sockets, opened };
}

const seconds = async (clock: VirtualClock, sockets: readonly FakeSocket[], count: number): Promise<void> => {
  for (let i = 0; i < count; i++) {
    await clock.advance(1_000);
    // Only what is read from has come.
    for (const socket of sockets) if (socket.isRead || socket.turns > 0) socket.bytesRead += 10;
  }
};

test('two thousand slow heads are read from some at a time, and each again and again (fault 58)', async () => {
  const { clock, sockets } = setUp(2_000);
  await seconds(clock, sockets, 4);
  for (const socket of sockets) socket.turns = 0;
  for (let i = 0; i < 500; i++) {
    await clock.advance(5);
    expect(sockets.filter(({ isRead }) => isRead).length).toBeLessThanOrEqual(64);
  }
  expect(Math.min(...sockets.map(({ turns }) => turns))).toBeGreaterThan(1);
});

test('whose head has come whole is read from, and who is silent was never held', async () => {
  const { clock, connections, sockets, opened } = setUp(300);
  const slow = sockets.slice(0, 200);
  // Handshakes have turns of their own.
  await clock.advance(100);
  for (const socket of sockets) socket.turns = 0;
  await seconds(clock, slow, 4);
  expect(slow.filter(({ isRead }) => isRead).length).toBeLessThanOrEqual(64);
  expect(sockets.slice(200).every(({ isRead, turns }) => isRead && turns === 0)).toBe(true);
  for (const connection of opened.slice(0, 190)) {
    connection.cameSoFar();
    connections.asked(connection);
  }
  // So many requests of strangers at one moment are taken in turn too, until no more come.
  await clock.advance(1_000);
  expect(sockets.every(({ isRead }) => isRead)).toBe(true);
});
