/** What a guest with a network stack of its own says to the other end of its wire, in one thread and on the guest's own time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { guestAddress, UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { createMachine } from '#pkg/vmm/machine.ts';
import type { Machine } from '#pkg/vmm/machine-contract.ts';

const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** A guest and the other end of its wire, on time that is the guest's own. */
function start(name: string) {
  const kernel = readFileSync(join(import.meta.dirname, `../../pkg/vmm/guests/${name}/${name}.elf`));
  const commandLine = `ip=${guestAddress}/24`;
  const machine = createMachine({ memory: 8 << 20, harts: 1, kernel, commandLine, mac, engine: 'interpret' });
  const network = new UserNetwork(mac);
  let console = '';
  /** Runs until `isDone`, at most some hundred million instructions. */
  const until = (isDone: () => boolean): void => {
    for (let turns = 0; turns < 4000 && !isDone(); turns++) turn(machine, network);
    console += Buffer.from(machine.takeConsole()).toString();
    expect(isDone()).toBe(true);
  };
  until(() => {
    console += Buffer.from(machine.takeConsole()).toString();
    return console.includes('listens');
  });
  return { machine, network, until };
}

function turn(machine: Machine, network: UserNetwork): void {
  network.tick(machine.ticks / 10_000);
  network.flush((frame) => machine.deliverFrame(frame));
  const stop = machine.run(50_000);
  for (const frame of machine.takeFrames()) network.receive(frame);
  if (stop.reason === 'idle') machine.idle(Math.min(stop.ticks ?? 10_000, 10_000));
}

/** A connection and what has come of it. */
function open(network: UserNetwork, port: number, holds = false) {
  const state = { text: '', isOpen: false, isEnded: false, closed: '' };
  const connection = network.connect(port, {
    opened: () => (state.isOpen = true),
    data: (bytes) => {
      state.text += Buffer.from(bytes).toString('latin1');
      if (!holds) connection?.consumed(bytes.length);
    },
    ended: () => (state.isEnded = true),
    drained: () => undefined,
    closed: (reason) => (state.closed = reason ?? 'done'),
  });
  return { state, connection };
}

test('a guest serves what is asked of it, and connections end on both sides', () => {
  const { network, until } = start('kernel');
  const { state, connection } = open(network, 8080);
  connection?.write(Buffer.from('PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello'));
  until(() => state.text.includes('204'));
  connection?.write(Buffer.from('GET /a HTTP/1.1\r\nConnection: close\r\n\r\n'));
  until(() => state.isEnded);
  expect(state.text.endsWith('\r\n\r\nhello')).toBe(true);
  connection?.end();
  until(() => state.closed !== '');
  expect([state.closed, network.connections]).toEqual(['done', 0]);
});

test('a body that comes in pieces on a connection that is to be closed after it is kept, and answered', () => {
  const { network, until } = start('kernel');
  const put = open(network, 8080);
  put.connection?.write(Buffer.from('PUT /a HTTP/1.1\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n'));
  until(() => network.connections === 1 && put.state.isOpen);
  put.connection?.write(Buffer.alloc(5000, 'x'));
  until(() => put.state.isEnded);
  expect(put.state.text).toMatch(/^HTTP\/1\.1 204 .*\r\nConnection: close\r\n/s);
  const { state, connection } = open(network, 8080);
  connection?.write(Buffer.from('GET /a HTTP/1.1\r\nConnection: close\r\n\r\n'));
  until(() => state.isEnded);
  expect(state.text.endsWith(`\r\n\r\n${'x'.repeat(5000)}`)).toBe(true);
});

test('a port where nobody listens refuses', () => {
  const { network, until } = start('echo');
  const { state } = open(network, 81);
  until(() => state.closed !== '');
  expect(state).toEqual({ text: '', isOpen: false, isEnded: false, closed: 'connection refused' });
});

test('bytes come back whole and in order, more than any window holds', () => {
  const { network, until } = start('echo');
  const { state, connection } = open(network, 8080);
  const sent = Buffer.from(
    Buffer.alloc(300_000, 'a line of a long text, and another number: ').map((byte, at) => byte ^ (at % 7)),
  );
  connection?.write(sent);
  until(() => state.text.length === sent.length);
  expect(state.text === Buffer.from(sent).toString('latin1')).toBe(true);
});

test('who does not take bytes is sent no more than the window', () => {
  const { network, until, machine } = start('echo');
  const { state, connection } = open(network, 8080, true);
  connection?.write(Buffer.alloc(200_000, 'x'));
  until(() => state.text.length > 60_000);
  for (let turns = 0; turns < 200; turns++) turn(machine, network);
  expect(state.text.length).toBeLessThanOrEqual(65_535);
  for (let taken = 0; state.text.length < 200_000; ) {
    const fresh = state.text.length - taken;
    taken += fresh;
    connection?.consumed(fresh);
    turn(machine, network);
  }
});

test('many connections at a time', () => {
  const { network, until } = start('kernel');
  const all = Array.from({ length: 100 }, () => open(network, 8080));
  for (const { connection } of all) connection?.write(Buffer.from('GET /healthz HTTP/1.1\r\n\r\n'));
  until(() => all.every(({ state }) => state.text.endsWith('ok\n')));
  for (const { connection } of all) connection?.end();
  until(() => all.every(({ state }) => state.closed === 'done'));
});
