import { connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { program } from './echo-basic.ts';

/** An address of this test's own. */
const ip = `127.77.${process.pid % 250}.9`;

/** Runs the program until the test ends; what it has logged. */
async function started(): Promise<readonly string[]> {
  const logged: string[] = [];
  const stop = new AbortController();
  const ended = program.main({
    args: [],
    env: { NAMESPACE: 'shop', POD_NAME: 'echo-1' },
    ip,
    hostname: 'echo-1',
    imageTag: 'v1',
    clock: new SystemClock(),
    signal: stop.signal,
    log: (line) => void logged.push(line),
    error: () => {},
    resolve: (path) => path,
  });
  onTestFinished(async () => {
    stop.abort();
    expect(await ended).toBe(0);
  });
  return logged;
}

test('a request is said in JSON as it came, with whose it is, and is a line of the log', async () => {
  const logged = await started();
  const answer = await fetch(`http://${ip}:3000/a//b?c=d`, {
    headers: { 'x-echo-set-header': 'X-A:b,X-A:c', 'x-some': 'z' },
  });
  expect(answer.headers.get('x-a')).toBe('b,c');
  expect(await answer.json()).toMatchObject({
    ...{ path: '/a//b?c=d', host: `${ip}:3000`, method: 'GET', proto: 'HTTP/1.1', namespace: 'shop', pod: 'echo-1' },
    headers: { 'X-Some': ['z'] },
  });
  expect(logged).toEqual([`Echoing back request made to /a//b?c=d to client (127.0.0.1)`]);
  expect((await fetch(`http://${ip}:3000/status/418`)).status).toBe(418);
});

test('it speaks HTTP/2 without TLS at its other port', async () => {
  await started();
  const session = connect(`http://${ip}:3001`);
  onTestFinished(() => session.close());
  const said = JSON.parse(await text(session.request({ ':path': '/x' }).setEncoding('utf8')));
  expect(said).toMatchObject({ path: '/x', host: `${ip}:3001`, proto: 'HTTP/2.0' });
});

test('a WebSocket echoes', async () => {
  await started();
  const socket = new WebSocket(`ws://${ip}:3000/ws`);
  const echoed = new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(data);
  });
  socket.onopen = () => socket.send('hello');
  expect(await echoed).toBe('hello');
  socket.close();
});
