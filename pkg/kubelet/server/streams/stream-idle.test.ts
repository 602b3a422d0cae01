/** What nobody uses ends after four hours, though both ends are there; what somebody uses does not. */
import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { SpdyConnection } from '#pkg/serving/spdy/connection.ts';
import { takeUpgrade } from '#pkg/serving/upgrade-in-process.ts';
// Else loaded with the first command, which takes time that is not the clock's.
import './spdy-session.ts';
import { streamIdleMs } from './stream-idle.ts';
import { streamKubelet } from './testing.ts';

const minute = 60_000;
const webSocket = {
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

async function setUp(path: string, headers: Readonly<Record<string, string>>) {
  const clock = new VirtualClock();
  const kubelet = streamKubelet(clock);
  const signal = new AbortController().signal;
  const upgrade = headers.upgrade!.toLowerCase();
  const answer = await kubelet.handle({ method: 'GET', path, query, headers, peer: { address: '' }, signal, upgrade });
  if (answer.body.kind !== 'upgrade') throw new Error(`no upgrade: ${answer.status}`);
  return { clock, kubelet, end: takeUpgrade(answer.body) };
}

const query = 'input=1&output=1&command=cat&port=80';

/** A client that answers pings, and nothing else. */
function answerPings(end: Duplex): { readonly messages: string[]; readonly ended: Promise<void> } {
  const messages: string[] = [];
  end.on('data', (bytes: Buffer) => {
    // Masked with zeros.
    if (bytes[0] === 0x89) end.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
    else messages.push(bytes.toString('latin1'));
  });
  return { messages, ended: new Promise((resolve) => end.once('close', () => resolve())) };
}

test('a command over a WebSocket ends once nothing but pings has gone for four hours, and was told to stop', async () => {
  const { clock, kubelet, end } = await setUp('/exec/default/pod/main', webSocket);
  const { messages, ended } = answerPings(end);
  await clock.advance(streamIdleMs - minute);
  // Something typed, which comes back.
  end.write(Buffer.from([0x82, 0x83, 0, 0, 0, 0, 0, 0x68, 0x69]));
  await clock.advance(streamIdleMs - minute);
  expect(messages.at(-1)).toBe('\x82\x03\x01hi');
  expect([end.destroyed, kubelet.commands[0]!.signal!.aborted]).toEqual([false, false]);
  await clock.advance(3 * minute);
  await ended;
  expect(messages.at(-1)).toBe('\x88\x06\x03\xe8idle');
});

test('ports over a WebSocket end once nothing but pings has gone for four hours', async () => {
  const { clock, end } = await setUp('/portForward/default/pod', webSocket);
  answerPings(end);
  await clock.advance(streamIdleMs - minute);
  expect(end.destroyed).toBe(false);
  const fromMs = clock.monotonicMs();
  // The connection to the pod is a real one.
  while (!end.destroyed) {
    await clock.advance(clock.monotonicMs() - fromMs < 3 * minute ? minute : 1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test.each([
  ['/exec/default/pod/main', 'v4.channel.k8s.io', ['error', 'stdin', 'stdout']],
  ['/portForward/default/pod', 'portforward.k8s.io', []],
])('%s over SPDY ends once nothing but pings has gone for four hours', async (path, version, types) => {
  const { clock, end } = await setUp(path, { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': version });
  const connection = new SpdyConnection(end, { clock, role: 'client' });
  for (const streamtype of types) connection.open({ streamtype });
  let isEnded = false;
  void connection.ended.then(() => {
    isEnded = true;
  });
  await clock.advance(streamIdleMs - minute);
  expect(isEnded).toBe(false);
  await clock.advance(3 * minute);
  expect(isEnded).toBe(true);
  await connection.close();
});
