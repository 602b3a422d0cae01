import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { ACK, addressNumber, arpAnswer, arpQuestion, type Station, SYN, tcpFrame } from '#pkg/vmm/host/frames.ts';
import { UserNetwork } from '#pkg/vmm/host/user-network.ts';
import { FramesAway, FramesHome } from './frame-tunnel.ts';
import { GuestWire } from './guest-wire.ts';
import { TapEnd } from './tap-end.ts';

const station = (address: string): Station => ({
  mac: Uint8Array.of(0x52, 0x54, ...address.split('.').map(Number)),
  address: addressNumber(address),
});
/** The guest as it is, the pod that it comes to, the gateway there, and somebody beyond it. */
const [guest, pod, gateway] = [station('10.65.1.7'), station('10.65.2.9'), station('10.65.2.1')];
const client = { mac: gateway.mac, address: addressNumber('10.65.9.9') };
const words = { sequence: 1, acknowledged: 1, window: 100, data: Uint8Array.of(1, 2, 3) };
const asks = (of: Station, flags = SYN): Uint8Array =>
  tcpFrame(client, of, { ...words, flags, sourcePort: 4000, targetPort: 80 });
const answers = (as: Station, to: Station, flags = ACK): Uint8Array =>
  tcpFrame(as, to, { ...words, flags, sourcePort: 80, targetPort: 4000 });

/** The same of connections by other ports, as a relay has them. */
const asksAt = (sourcePort: number): Uint8Array =>
  tcpFrame(client, guest, { ...words, flags: SYN, sourcePort, targetPort: 80 });
const answersAt = (targetPort: number): Uint8Array =>
  tcpFrame(guest, client, { ...words, flags: ACK, sourcePort: 80, targetPort });

/** A tap, what is in its device for the guest, and what the guest's side wrote into it. */
function tap(inner: Station) {
  const device: Uint8Array[] = [];
  const written: Uint8Array[] = [];
  const end = new TapEnd(
    {
      get isTold() {
        return device.length > 0;
      },
      read: () => device.shift(),
      write: (frame) => {
        written.push(frame);
        return true;
      },
    },
    { place: { outer: pod, gateway: '10.65.2.1', closedPorts: [] }, inner },
  );
  const taken: Uint8Array[] = [];
  const flush = (): readonly Uint8Array[] => {
    end.flush((frame) => taken.push(frame) > 0);
    return taken.splice(0);
  };
  return { end, device, written, flush };
}

test('a guest that knows its link sees to its neighbours itself', () => {
  const { end, device, written, flush } = tap(pod);
  device.push(arpQuestion(gateway, pod.address));
  expect(flush()).toEqual([arpQuestion(gateway, pod.address)]);
  end.receive(arpQuestion(pod, gateway.address));
  expect(written).toEqual([arpQuestion(pod, gateway.address)]);
});

test('one that comes from elsewhere is announced, answered for, and speaks to all by the gateway of its new link', () => {
  const { end, device, written, flush } = tap(pod);
  end.become(guest);
  end.arrived();
  expect(written.splice(0)).toEqual([arpQuestion(pod, gateway.address)]);
  // Before the gateway is known nothing leaves, but the question for it once more.
  end.receive(answers(guest, station('10.65.1.1')));
  expect([written.splice(0), end.lost]).toEqual([[arpQuestion(pod, gateway.address)], 1]);
  device.push(arpAnswer(gateway, pod), arpQuestion(gateway, pod.address), asks(pod));
  expect(flush()).toEqual([tcpFrame(client, guest, { ...words, flags: SYN, sourcePort: 4000, targetPort: 80 })]);
  expect(written.splice(0)).toEqual([arpAnswer(pod, gateway)]);
  // It sends to whom its old link had as a gateway, or asks for that.
  end.receive(answers(guest, { ...client, mac: station('10.65.1.1').mac }));
  expect(written.splice(0)).toEqual([answers(pod, client)]);
  end.receive(arpQuestion(guest, addressNumber('10.65.1.1')));
  expect([flush(), written]).toEqual([
    [arpAnswer({ mac: gateway.mac, address: addressNumber('10.65.1.1') }, guest)],
    [],
  ]);
  // What it says of itself is not for this link.
  end.receive(arpAnswer(guest, gateway));
  expect(written).toEqual([]);
});

test('frames of a guest go where their connection came from; those of no known one to all relays, each of which takes its own', async () => {
  const { end, device, written } = tap(guest);
  end.become(guest);
  const wire = new GuestWire(new UserNetwork(guest.mac, { guest: '10.65.1.7', host: '169.254.255.2' }), end);
  const clock = new VirtualClock();
  const atRelay: Uint8Array[] = [];
  const home = new FramesHome(
    (frame) => atRelay.push(frame),
    () => undefined,
  );
  const connect = async () => {
    const [own, other] = duplexPair();
    home.connected(other);
    return own;
  };
  const frames = new FramesAway({ clock, connect, wake: () => undefined, gone: () => undefined });
  wire.add({ place: { slot: 3, host: '', port: 0, node: '', secret: '' }, frames });
  await frames.connect();
  wire.begin();
  await clock.advance(1);
  written.splice(0);

  const taken: Uint8Array[] = [];
  device.push(arpAnswer(gateway, pod), asks(pod));
  home.send(asksAt(4001));
  await clock.advance(1);
  wire.flush((frame) => taken.push(frame) > 0);
  expect(taken).toHaveLength(2);
  for (const port of [4000, 4001, 4002]) wire.receive(answersAt(port));
  await clock.advance(1);
  expect(written.splice(0)).toEqual([answers(pod, client)]);
  expect(atRelay).toEqual([answersAt(4001), answersAt(4002)]);
  expect(wire.connections(0)).toBe(1);

  // It is elsewhere now: of what it sends there, this place takes what began here.
  wire.clear();
  for (const port of [4000, 4001, 4002]) wire.relayed(answersAt(port));
  expect(written).toEqual([answers(pod, client)]);
});
