import { type Duplex, duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FramesAway, FramesHome } from './frame-tunnel.ts';

const frame = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const textsOf = (frames: readonly Uint8Array[]): readonly string[] =>
  frames.map((bytes) => Buffer.from(bytes).toString());

/** A relay, and the place where its machine is: what each of them was given of the other, and the connections that were made. */
function both() {
  const clock = new VirtualClock();
  const sockets: Duplex[] = [];
  const atHome: Uint8Array[] = [];
  const taken: Uint8Array[] = [];
  let reach: 'gone' | 'there' = 'there';
  let isGone = false;
  let isFull = false;
  const home = new FramesHome(
    (bytes) => atHome.push(bytes),
    () => undefined,
  );
  const away = new FramesAway({
    clock,
    connect: async () => {
      if (reach === 'gone') throw new Error('refused');
      const [own, other] = duplexPair();
      sockets.push(own);
      home.connected(other);
      return own;
    },
    wake: () => flush(),
    gone: () => {
      isGone = true;
    },
  });
  const flush = (): void => {
    away.flush((bytes) => {
      if (!isFull) taken.push(bytes);
      return !isFull;
    });
  };
  return {
    ...{ clock, home, away, sockets, flush },
    atHome: () => textsOf(atHome),
    taken: () => textsOf(taken),
    isGone: () => isGone,
    is: (next: { readonly reach?: 'gone' | 'there'; readonly isFull?: boolean }) => {
      reach = next.reach ?? reach;
      isFull = next.isFull ?? isFull;
    },
  };
}

test('frames go both ways from when the machine is at the place', async () => {
  const { clock, home, away, atHome, taken } = both();
  await away.connect();
  expect(home.send(frame('early'))).toBe(false);
  away.begin();
  await clock.advance(1);
  expect(home.send(frame('question'))).toBe(true);
  away.send(frame('answer'));
  await clock.advance(1);
  expect([taken(), atHome()]).toEqual([['question'], ['answer']]);
});

test('a connection that breaks is made again, and what the machine had not taken comes again', async () => {
  const { clock, home, away, sockets, is, flush, taken, atHome, isGone } = both();
  await away.connect();
  away.begin();
  await clock.advance(1);
  is({ isFull: true });
  home.send(frame('one'));
  home.send(frame('two'));
  await clock.advance(1);
  sockets[0]?.destroy();
  await clock.advance(1);
  // As on a wire: what is sent meanwhile is lost.
  away.send(frame('lost'));
  await clock.advance(1000);
  is({ isFull: false });
  flush();
  home.send(frame('three'));
  away.send(frame('answer'));
  await clock.advance(1);
  expect(sockets).toHaveLength(2);
  expect([taken(), atHome(), isGone()]).toEqual([['one', 'two', 'three'], ['answer'], false]);
});

test('a relay that is not reached at first is tried again, and is gone after half a minute', async () => {
  const late = both();
  late.is({ reach: 'gone' });
  await late.away.connect();
  late.away.begin();
  await late.clock.advance(20_000);
  late.is({ reach: 'there' });
  await late.clock.advance(1000);
  expect([late.home.send(frame('question')), late.isGone()]).toEqual([true, false]);

  const lost = both();
  lost.is({ reach: 'gone' });
  await lost.away.connect();
  await lost.clock.advance(29_000);
  expect(lost.isGone()).toBe(false);
  await lost.clock.advance(2000);
  expect(lost.isGone()).toBe(true);
});

test('one that closes each connection at once is gone after half a minute too', async () => {
  const { clock, away, sockets, isGone } = both();
  await away.connect();
  for (let waited = 0; waited < 40 && !isGone(); waited++) {
    for (const socket of sockets.splice(0)) socket.destroy();
    await clock.advance(1000);
  }
  expect(isGone()).toBe(true);
});

test('frames go ahead of a machine that stands still to leave, once each, and are taken back from a place that it does not come to', async () => {
  const { clock, home, away, is, flush, taken } = both();
  await away.connect();
  is({ isFull: true });
  home.leave();
  expect(home.send(frame('ahead'))).toBe(true);
  await clock.advance(1);
  is({ isFull: false });
  away.begin();
  flush();
  await clock.advance(1);
  expect(taken()).toEqual(['ahead']);

  const other = both();
  await other.away.connect();
  other.is({ isFull: true });
  other.home.leave();
  other.home.send(frame('ahead'));
  await other.clock.advance(1);
  expect([textsOf(other.home.takeBack()), other.home.hasPlace]).toEqual([['ahead'], false]);
});

test('a place that the machine has left is told so and does not come back', async () => {
  const { clock, home, away, sockets, isGone } = both();
  await away.connect();
  away.begin();
  await clock.advance(1);
  home.send(frame('unanswered'));
  expect(textsOf(home.takeBack())).toEqual(['unanswered']);
  home.over();
  await clock.advance(60_000);
  expect([isGone(), sockets.length, home.hasPlace]).toEqual([true, 1, false]);
});
