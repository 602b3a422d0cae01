import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { fixedEndpoint } from './fixed-endpoint.ts';
import { Flows, UdpRelay } from './udp-relay.ts';

test('an endpoint to which nothing leads loses its datagrams, and nobody else’s', async () => {
  const place = { ip: '127.0.0.1', port: 0 };
  const flows = new Flows(4);
  // The system refuses to connect to the address of everybody.
  const chooser = fixedEndpoint({ ip: '255.255.255.255', port: 9 });
  const client = createSocket('udp4').bind(0, place.ip);
  await once(client, 'listening');
  onTestFinished(() => void client.close());
  const ended = Promise.withResolvers<void>();
  const remove = flows.remove.bind(flows);
  flows.remove = (key) => {
    remove(key);
    ended.resolve();
  };
  const relay = await UdpRelay.open(place, { chooser, clock: new VirtualClock(), flows });
  onTestFinished(() => relay.close());
  client.send('x', relay.port, place.ip);
  await ended.promise;
  expect(flows.count).toBe(0);
});
