/** Volumes that are shown again and again, with tokens of their pods' accounts: over a driver in a process of its own, on a clock that is moved. */
import { expect, onTestFinished, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { csiDrivers, pods, serviceAccounts } from '#pkg/api/types/refs.ts';
import type { CSIDriver } from '#pkg/api/types/storage-v1.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { SteeredClock } from '#pkg/base/steered-clock.ts';
import { driver, isRunning, object, podOf, startDriver } from '../testing/csi-driver.ts';
import { startRealNode } from '../testing/real-node.ts';

const tokensName = 'csi.storage.k8s.io/serviceAccount.tokens';
const minuteMs = 60_000;

/** A pod that runs with a volume of its own, of a driver like that. */
async function start(spec: CSIDriver['spec']) {
  const clock = new SteeredClock(new SystemClock(), Date.UTC(2026, 0, 1));
  const stopped = new AbortController();
  const running = clock.run(stopped.signal);
  onTestFinished(async () => {
    stopped.abort();
    await running;
  });
  const node = await startRealNode({}, clock);
  await node.client.resource(serviceAccounts).create({ metadata: { name: 'reader', namespace: 'default' } });
  await node.client.resource(csiDrivers).create(object({ ...spec, volumeLifecycleModes: ['Ephemeral'] }));
  const { plugin } = await startDriver(node);
  const own = podOf('one', { serviceAccountName: 'reader', volumes: [{ name: 'v', csi: { driver } }] });
  await node.client.resource(pods).create(own);
  return { ...node, clock, plugin, pod: await node.until('one', isRunning) };
}

interface Shown {
  readonly attributes?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
}

const claimsOf = (token: string): unknown => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

test('a driver that asks for it is shown the volume again each minute, with new tokens for whom it names', async () => {
  const { clock, plugin, pod }: { pod: Pod } & Omit<Awaited<ReturnType<typeof start>>, 'pod'> = await start({
    requiresRepublish: true,
    tokenRequests: [{ audience: 'vault', expirationSeconds: 3600 }, { audience: '' }],
  });
  const shown = async (count: number): Promise<Shown> =>
    (await plugin.called('NodePublishVolume', count))[count - 1] ?? {};
  const tokensOf = ({ attributes }: Shown) => JSON.parse(attributes?.[tokensName] ?? '{}');
  const first = tokensOf(await shown(1));
  expect(Object.keys(first)).toEqual(['vault', '']);
  expect(claimsOf(first.vault.token)).toMatchObject({
    aud: ['vault'],
    sub: 'system:serviceaccount:default:reader',
    'kubernetes.io': { pod: { name: 'one', uid: pod.metadata?.uid } },
  });
  expect(new Date(first.vault.expirationTimestamp).getTime() - clock.nowMs()).toBeGreaterThan(50 * minuteMs);
  await clock.step(minuteMs + 1_000);
  const second = tokensOf(await shown(2));
  expect(second.vault.token).not.toBe(first.vault.token);
  expect(second.vault.expirationTimestamp > first.vault.expirationTimestamp).toBe(true);
  // What fails is tried again, and the pod runs on.
  plugin.refuse('NodePublishVolume', 'no such token');
  await clock.step(minuteMs + 1_000);
  await shown(3);
  plugin.answer('NodePublishVolume', {});
  await clock.step(minuteMs);
  await shown(4);
  expect(plugin.requests('NodeUnpublishVolume')).toEqual([]);
});

test('tokens are among the secrets where the driver wants them there, and a volume is shown once where nothing is said', async () => {
  const { clock, plugin } = await start({
    tokenRequests: [{ audience: 'vault' }],
    serviceAccountTokenInSecrets: true,
  });
  const [shown]: readonly Shown[] = await plugin.called('NodePublishVolume');
  expect(shown?.attributes?.[tokensName]).toBeUndefined();
  expect(Object.keys(JSON.parse(shown?.secrets?.[tokensName] ?? '{}'))).toEqual(['vault']);
  await clock.step(3 * minuteMs);
  expect(plugin.requests('NodePublishVolume')).toHaveLength(1);
});
