import { expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Flows } from '#pkg/network/relay/udp-relay.ts';
import type { RuleEndpoint } from '../../model/rule.ts';
import { AffinityTable } from './affinity.ts';
import { Balancer } from './balancer.ts';
import { sourceTest } from './source-ranges.ts';

const endpoints: readonly RuleEndpoint[] = ['a', 'b', 'c', 'd', 'e', 'f'].map((ip) => ({
  ip,
  port: 80,
  ready: true,
  serving: true,
  terminating: false,
}));

function makeBalancer(timeoutSeconds?: number) {
  const clock = new VirtualClock();
  const balancer = new Balancer({ affinity: new AffinityTable(clock), random: new SeededRandom(3) });
  const target = { endpoints, ...(timeoutSeconds === undefined ? {} : { sessionAffinity: { timeoutSeconds } }) };
  balancer.setTarget(target);
  const use = (client: string): string => {
    const endpoint = balancer.pick(client)!;
    balancer.remember(client, endpoint);
    return endpoint.ip;
  };
  const uses = (client: string): string => Array.from({ length: 40 }, () => use(client)).join('');
  return { clock, balancer, target, use, uses };
}

test('without affinity every endpoint gets its share', () => {
  const { uses } = makeBalancer();
  expect(new Set(uses('x')).size).toBe(endpoints.length);
});

test('with affinity a client keeps its endpoint until it was silent for the timeout', async () => {
  const { clock, use, uses } = makeBalancer(10);
  const first = use('x');
  for (let i = 0; i < 5; i++) {
    await clock.advance(9_999);
    expect(use('x')).toBe(first);
  }
  const after = new Set<string>();
  for (let i = 0; i < 40; i++) {
    await clock.advance(10_000);
    after.add(use('x'));
  }
  expect(after.size).toBeGreaterThan(1);
  expect(new Set(uses('y')).size).toBe(1);
});

test('a client whose endpoint is gone, or was just refused by it, gets another', () => {
  const { balancer, target, use } = makeBalancer(10);
  const first = use('x');
  expect(balancer.pick('x', new Set([`${first}:80`]))?.ip).not.toBe(first);
  balancer.setTarget({ ...target, endpoints: endpoints.filter(({ ip }) => ip !== first) });
  expect(use('x')).not.toBe(first);
  balancer.setTarget({ endpoints: [] });
  expect(balancer.pick('x')).toBe(undefined);
});

test('balancers of one rule send a client to one endpoint; where they have other endpoints each keeps its own (fault 32)', () => {
  const affinity = new AffinityTable(new VirtualClock());
  const sessionAffinity = { timeoutSeconds: 10 };
  const [inner, outer] = [1, 2].map((seed) => new Balancer({ affinity, random: new SeededRandom(seed) }));
  const use = (balancer: Balancer, client: string): string => {
    const endpoint = balancer.pick(client)!;
    balancer.remember(client, endpoint);
    return endpoint.ip;
  };
  for (const balancer of [inner!, outer!]) balancer.setTarget({ endpoints, sessionAffinity });
  for (const client of ['r', 's', 't', 'u', 'v']) {
    const first = use(inner!, client);
    expect([use(outer!, client), use(inner!, client)]).toEqual([first, first]);
  }
  inner!.setTarget({ endpoints: endpoints.slice(0, 3), sessionAffinity });
  outer!.setTarget({ endpoints: endpoints.slice(3), sessionAffinity });
  const [ofInner, ofOuter] = [use(inner!, 'x'), use(outer!, 'x')];
  for (let i = 0; i < 20; i++) expect([use(inner!, 'x'), use(outer!, 'x')]).toEqual([ofInner, ofOuter]);
});

test('a flow beyond the limit takes the place of the one silent longest', () => {
  const flows = new Flows(2);
  const ended: string[] = [];
  const touch = (key: string): void =>
    flows.touch(key, () => {
      ended.push(key);
      flows.remove(key);
    });
  for (const key of ['a', 'b', 'a', 'c', 'd']) touch(key);
  expect([ended, flows.count]).toEqual([['b', 'a'], 2]);
});

test.each<[readonly string[], string, boolean]>([
  [[], '192.0.2.1', true],
  [['192.0.2.0/24'], '192.0.2.1', true],
  [['192.0.2.0/24'], '198.51.100.1', false],
  [['2001:db8::/32'], '2001:db8::1', true],
  [['nonsense'], '192.0.2.1', false],
  [['192.0.2.0/99'], '192.0.2.1', false],
])('source ranges %j let in %s: %s', (ranges, client, isLetIn) => {
  expect(sourceTest(ranges)(client)).toBe(isLetIn);
});
