/** The addon `logs` with real containers: what it has comes from the CRI log files, from the first line to the last. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CollectedLogs } from '#tests/e2e/collected-logs.ts';
import { hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { noContainers } from './real-containers.ts';

describe.skipIf(noContainers !== undefined)('the addon logs with real containers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-logs-'));
  let cluster: RunningCluster;

  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags: ['--runtime', 'container,inprocess', '--addons', 'logs'] });
    const archive = join(folder, 'busybox.tar');
    writeBusyboxArchive(archive, 'busybox:stable');
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect([loaded.code, loaded.stderr]).toEqual([0, '']);
  }, hookMs);
  afterAll(async () => {
    await cluster?.remove();
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  test('both streams of a container are kept line for line, and stay when its pod is gone', async () => {
    const script = 'i=0; while [ $i -lt 50 ]; do echo "out $i"; i=$((i+1)); done; echo "last one" >&2; sleep 1';
    const flags = ['--image=busybox:stable', '--image-pull-policy=Never', '--restart=Never'];
    await kubectl('run', 'counter', ...flags, '--command', '--', 'sh', '-c', script);
    await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/counter', '--timeout=120s');
    const logs = await CollectedLogs.of(cluster);
    const query = 'namespace=default&pod=counter';
    const said = (body: string): readonly string[] => body.split('\n').map((line) => line.replace(/^\S+ /, ''));
    const wanted = Array.from({ length: 50 }, (_, index) => `default/counter/counter out ${index}`);
    const kept = said(await logs.found(query, 51));
    expect(kept.filter((line) => / out \d+$/.test(line))).toEqual(wanted);
    expect(kept).toContain('default/counter/counter last one');
    expect(kept).toHaveLength(52);
    await kubectl('delete', 'pod', 'counter');
    expect(said(await logs.found(query, 51))).toEqual(kept);
  }, 240_000);
});
