/** What pods say of their bandwidth, and what is made of it. */
import { expect, test } from 'vitest';
import { events, pods } from '#pkg/api/types/refs.ts';
import { createLoopbackNetwork } from '#pkg/network/loopback/loopback-network.ts';
import { podBandwidth } from '#pkg/network/pod-bandwidth.ts';
import type { PodBandwidth, PodNetwork } from '#pkg/network/pod-network.ts';
import { pod, start } from '../testing/virtual-node.ts';

const ingress = 'kubernetes.io/ingress-bandwidth';
const egress = 'kubernetes.io/egress-bandwidth';
const bandwidthOf = (annotations: Readonly<Record<string, string>>) => podBandwidth({ metadata: { annotations } });

test('limits are bits a second, of a thousand to 10¹⁵', () => {
  expect(bandwidthOf({ other: '1M' })).toBeUndefined();
  expect(bandwidthOf({ [ingress]: '10M' })).toEqual({ toPod: 10e6 });
  expect(bandwidthOf({ [ingress]: '1P', [egress]: '1k' })).toEqual({ toPod: 1e15, fromPod: 1000 });
  expect(() => bandwidthOf({ [egress]: '999' })).toThrow('resource is unreasonably small (< 1kbit)');
  expect(() => bandwidthOf({ [egress]: '1001T' })).toThrow('resource is unreasonably large (> 1Pbit)');
  for (const text of ['', 'fast', '-1M', '1e99M'])
    expect(() => bandwidthOf({ [ingress]: text }), text).toThrow(
      /^(annotation .* is no quantity|resource is unreasonably)/,
    );
});

test('the network is told before the pod has its address; one that cannot hold to it is told of in an event, and no such amount too', async () => {
  const told: (PodBandwidth | undefined)[] = [];
  const loopback = createLoopbackNetwork();
  const network: PodNetwork = {
    kind: loopback.kind,
    limitsBandwidth: loopback.limitsBandwidth,
    get podCidrs() {
      return loopback.podCidrs;
    },
    configure: (podCidrs) => loopback.configure(podCidrs),
    attach: (sandbox, signal) => {
      told.push(sandbox.bandwidth);
      return loopback.attach(sandbox, signal);
    },
    detach: (owner) => loopback.detach(owner),
    recover: (owner, addresses) => loopback.recover(owner, addresses),
  };
  const cluster = await start({ network });
  const add = async (name: string, annotations: Readonly<Record<string, string>>): Promise<unknown> => {
    const { metadata, ...made } = pod(name);
    await cluster.client.resource(pods).create({ ...made, metadata: { ...metadata, annotations } });
    await cluster.clock.advance(1000);
    const { items } = await cluster.client.resource(events).list({ namespace: 'default' });
    const own = items.filter(({ involvedObject, type }) => involvedObject.name === name && type === 'Warning');
    return own.map(({ reason, message }) => `${reason}: ${message}`);
  };
  expect(await add('plain', {})).toEqual([]);
  expect(await add('slow', { [ingress]: '10M' })).toEqual([
    'NotEnforced: The network loopback does not hold pods to a bandwidth',
  ]);
  expect(await add('odd', { [egress]: '1' })).toEqual([
    'FailedCreatePodSandBox: Failed to create pod sandbox: resource is unreasonably small (< 1kbit)',
  ]);
  expect(told).toEqual([undefined, { toPod: 10e6 }]);
});
