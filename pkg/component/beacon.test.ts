/** Beacons over real connections of this machine. */
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { type Beacon, openBeacon } from './beacon.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function beaconOf(identity: string): Promise<Beacon> {
  const host = '127.0.0.1';
  const beacon = await openBeacon({ clock: new SystemClock(), identity, host, advertised: host });
  cleanups.push(() => beacon.close());
  return beacon;
}

/** A server that says each time who it is; what comes in is given to `onConnection`. */
async function pretender(name: () => string, onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${name()}\n`, () => onConnection(socket));
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('who has ended is known to have, by all who watch', async () => {
  const [holder, one, two] = [await beaconOf('holder'), await beaconOf('one'), await beaconOf('two')];
  const { signal } = new AbortController();
  const told = [one, two].map(({ ended }) => ended({ address: holder.address, identity: 'holder' }, signal));
  // Both are connected once a third, who came after them, is.
  expect(await whoIsAt(holder.address)).toBe('holder\n');
  await holder.close();
  expect(await Promise.all(told)).toEqual([true, true]);
});

/** What a beacon says to whoever connects. */
async function whoIsAt(address: string): Promise<string> {
  const socket = createConnection({ host: '127.0.0.1', port: Number(address.split(':')[1]) });
  const [text] = await once(socket.setEncoding('utf8'), 'data');
  socket.destroy();
  return String(text);
}

test('who was never seen alive is not known to have ended, and neither is another at that place', async () => {
  const watcher = await beaconOf('watcher');
  const other = await beaconOf('other');
  const gone = await beaconOf('gone');
  await gone.close();
  for (const address of [other.address, gone.address, 'no address', '']) {
    const stop = new AbortController();
    const told = watcher.ended({ address, identity: 'holder' }, stop.signal);
    if (address === other.address) await whoIsAt(address);
    stop.abort();
    expect(await told).toBe(false);
  }
});

test('a connection that breaks says nothing while the process is still there', async () => {
  const watcher = await beaconOf('watcher');
  const sockets: Socket[] = [];
  const second = Promise.withResolvers<void>();
  const address = await pretender(
    () => 'holder',
    (socket) => {
      sockets.push(socket);
      if (sockets.length === 1) socket.resetAndDestroy();
      else second.resolve();
    },
  );
  const stop = new AbortController();
  const told = watcher.ended({ address, identity: 'holder' }, stop.signal);
  await second.promise;
  stop.abort();
  expect(await told).toBe(false);
});

test('another program at the place of one that was seen alive means that it has ended', async () => {
  const watcher = await beaconOf('watcher');
  const names = ['holder', 'another'];
  const address = await pretender(
    () => names.shift() ?? '',
    (socket) => socket.end(),
  );
  expect(await watcher.ended({ address, identity: 'holder' }, new AbortController().signal)).toBe(true);
});
