/** What every pod network has to do: the laws of `pod-network.ts` as tests. Each network's own test file calls it. */
import { isIP } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type PodNetwork, PodNetworkError } from './pod-network.ts';

export interface NetworkUnderTest {
  /** A network without a range. */
  make(): Promise<PodNetwork>;
  /** Ranges that it can serve, each with room for exactly `places` pods. */
  readonly small: { readonly ranges: readonly string[]; readonly places: number };
  /** Other ranges that it can serve. */
  readonly others: readonly string[];
  /** Ranges that it cannot serve. */
  readonly refused: readonly (readonly string[])[];
  /** Makes a sandbox to connect; undefined where none is needed. */
  readonly sandbox?: (owner: string) => Promise<{ readonly id: string; readonly namespacePath: string }>;
}

/** Runs the suite. `name` is that of the network. */
export function networkConformance(name: string, under: NetworkUnderTest): void {
  const { small, others, refused } = under;
  const start = async (ranges = small.ranges) => {
    const network = await under.make();
    if (ranges.length > 0) network.configure(ranges);
    const owners = new Set<string>();
    onTestFinished(async () => {
      for (const owner of owners) await network.detach(owner);
    });
    const attach = async (owner: string): Promise<readonly string[]> => {
      owners.add(owner);
      return network.attach({ owner, ...((await under.sandbox?.(owner)) ?? { id: `sandbox-${owner}` }) });
    };
    return { network, attach };
  };
  const many = Array.from({ length: small.places }, (_, index) => `owner-${index}`);

  test(`${name}: an owner has addresses of its own, the same ones for as long as it is attached`, async () => {
    const { network, attach } = await start();
    const [a, b] = [await attach('a'), await attach('b')];
    expect(a.length).toBe(small.ranges.length);
    expect(new Set(a.map((address) => isIP(address))).size).toBe(a.length);
    expect(a.some((address) => b.includes(address))).toBe(false);
    expect(await attach('a')).toEqual(a);
    await network.detach('a');
    expect(await attach('b')).toEqual(b);
  });

  test(`${name}: an address that was given back rests until the others were used`, async () => {
    const { network, attach } = await start();
    const first = await attach('first');
    await network.detach('first');
    const given: string[] = [];
    for (const owner of many) given.push((await attach(owner))[0]!);
    expect(given.at(-1)).toBe(first[0]);
    expect(new Set(given).size).toBe(small.places);
  });

  test(`${name}: a range that is used up refuses, and serves again what was given back`, async () => {
    const { network, attach } = await start();
    for (const owner of many) await attach(owner);
    await expect(attach('late')).rejects.toBeInstanceOf(PodNetworkError);
    await network.detach(many[0]!);
    expect(await attach('late')).toHaveLength(small.ranges.length);
  });

  test(`${name}: nothing is given before the range is known, and nothing is taken from who has nothing`, async () => {
    const { network, attach } = await start([]);
    expect(network.podCidrs).toEqual([]);
    await expect(attach('a')).rejects.toBeInstanceOf(PodNetworkError);
    await network.detach('a');
    network.configure(small.ranges);
    expect(network.podCidrs).toEqual(small.ranges);
    expect(await attach('a')).toHaveLength(small.ranges.length);
  });

  test(`${name}: the range stays while addresses of it are in use`, async () => {
    const { network, attach } = await start();
    const address = await attach('a');
    network.configure(small.ranges);
    expect(() => network.configure(others)).toThrow(PodNetworkError);
    expect(await attach('a')).toEqual(address);
    await network.detach('a');
    network.configure(others);
    expect(network.podCidrs).toEqual(others);
  });

  test.each(refused.map((ranges) => [ranges]))(`${name}: the ranges %j are refused`, async (ranges) => {
    const network = await under.make();
    expect(() => network.configure(ranges)).toThrow(PodNetworkError);
    expect(network.podCidrs).toEqual([]);
  });

  test(`${name}: what was given before a restart is kept for its owner`, async () => {
    const before = await start();
    const kept = await before.attach('a');
    await before.network.detach('a');
    const { network, attach } = await start();
    expect([network.recover('a', kept), network.recover('a', kept), network.recover('b', kept)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(network.recover('c', ['192.0.2.1'])).toBe(false);
    expect(network.recover('c', ['no address'])).toBe(false);
    expect(await attach('b')).not.toEqual(kept);
    expect(await attach('a')).toEqual(kept);
  });
}
