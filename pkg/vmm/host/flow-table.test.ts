import { expect, test } from 'vitest';
import { FlowTable } from './flow-table.ts';
import { ACK, addressNumber, arpQuestion, FIN, RST, type Station, SYN, tcpFrame } from './frames.ts';

const station = (last: number): Station => ({
  mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, last),
  address: addressNumber(`10.65.0.${last}`),
});
const [guest, client, other] = [station(7), station(1), station(2)];
const nothing = { sequence: 1, acknowledged: 1, window: 100, data: new Uint8Array(0) };

/** A segment of a client's connection to port 80 of the guest, and of the guest's in answer. */
const from = (who: Station, sourcePort: number, flags: number): Uint8Array =>
  tcpFrame(who, guest, { ...nothing, sourcePort, targetPort: 80, flags });
const to = (who: Station, targetPort: number, flags: number): Uint8Array =>
  tcpFrame(guest, who, { ...nothing, sourcePort: 80, targetPort, flags });

test('what the guest answers goes back by the link that it came by, whoever else asks from there', () => {
  const flows = new FlowTable<string>();
  flows.entered(from(client, 4000, SYN), { link: 'here', nowMs: 0 });
  flows.entered(from(client, 4001, SYN), { link: 'there', nowMs: 0 });
  flows.entered(from(other, 4000, SYN), { link: 'there', nowMs: 0 });
  const linkOf = (who: Station, port: number) => flows.leaves(to(who, port, ACK), 1);
  expect([linkOf(client, 4000), linkOf(client, 4001), linkOf(other, 4000)]).toEqual([
    { link: 'here' },
    { link: 'there' },
    { link: 'there' },
  ]);
  // It comes by another from now on.
  flows.entered(from(client, 4000, ACK), { link: 'there', nowMs: 2 });
  expect(linkOf(client, 4000)).toEqual({ link: 'there' });
});

test('what the guest begins is new, and what it goes on with that is not known here is told apart from that', () => {
  const flows = new FlowTable<string>();
  expect(flows.leaves(to(client, 4000, ACK), 0)).toBe('unknown');
  expect(flows.leaves(to(client, 4000, SYN), 0)).toBe('new');
  flows.began(to(client, 4000, SYN), { link: 'here', nowMs: 0 });
  expect(flows.leaves(to(client, 4000, ACK), 0)).toEqual({ link: 'here' });
  expect(flows.leaves(arpQuestion(guest, client.address), 0)).toBe('new');
});

test('a connection goes on until both sides have ended it or one has broken it off, and a quiet one for an hour', () => {
  const flows = new FlowTable<string>();
  const open = (nowMs: number) => [flows.open('here', nowMs), flows.open('there', nowMs)];
  for (const port of [4000, 4001, 4002]) flows.entered(from(client, port, SYN), { link: 'here', nowMs: 0 });
  expect(open(0)).toEqual([3, 0]);
  flows.entered(from(client, 4000, ACK | FIN), { link: 'here', nowMs: 1 });
  expect(open(1)).toEqual([3, 0]);
  flows.leaves(to(client, 4000, ACK | FIN), 2);
  flows.leaves(to(client, 4001, RST), 2);
  expect(open(2)).toEqual([1, 0]);
  // The last word of one that has ended is still its own.
  expect(flows.leaves(to(client, 4000, ACK), 3)).toEqual({ link: 'here' });
  expect(flows.leaves(to(client, 4000, ACK), 60_000)).toEqual({ link: 'here' });
  expect(open(3_600_000)).toEqual([1, 0]);
  expect(open(3_600_001)).toEqual([0, 0]);
  expect(flows.leaves(to(client, 4000, ACK), 3_600_001)).toBe('unknown');
  // The same ports once more are another connection.
  flows.entered(from(client, 4001, SYN), { link: 'there', nowMs: 3_600_002 });
  expect(open(3_600_002)).toEqual([0, 1]);
});

test('of too many those are forgotten that were quiet longest', () => {
  const flows = new FlowTable<string>();
  for (let port = 0; port < 5000; port++) flows.entered(from(client, port, SYN), { link: 'here', nowMs: port });
  expect(flows.open('here', 5000)).toBe(4096);
  expect(flows.leaves(to(client, 0, ACK), 5000)).toBe('unknown');
  expect(flows.leaves(to(client, 4999, ACK), 5000)).toEqual({ link: 'here' });
});
