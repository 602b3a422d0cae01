/** What `top` shows of a cluster on virtual time. */
import { expect, onTestFinished, test } from 'vitest';
import { startTestCluster } from '#pkg/testing/cluster.ts';
import { runKubectl } from '#pkg/testing/kubectl.ts';

const podOf = (name: string, usage: Readonly<Record<string, string>>) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'default',
    labels: { app: name },
    annotations: Object.fromEntries(Object.entries(usage).map(([key, value]) => [`fake.coxswain.dev/${key}`, value])),
  },
  spec: {
    nodeName: 'node-1',
    containers: [
      { name: 'main', image: 'coxswain.dev/pause:v1' },
      { name: 'side', image: 'coxswain.dev/pause:v1' },
    ],
  },
});

test('top shows what pods, their containers and nodes use', async () => {
  const cluster = await startTestCluster({ nodes: 2 });
  onTestFinished(() => cluster.stop());
  const run = async (...args: readonly string[]) => (await runKubectl(cluster, args)).out;
  await cluster.apply(podOf('big', { cpu: '500m', memory: '100Mi' }), podOf('small', { cpu: '5m', memory: '300Mi' }));
  await cluster.until(() => cluster.pods().every(({ status }) => status?.phase === 'Running'));
  await cluster.advance(10_000);
  expect(await run('top', 'pods')).toBe(
    [
      'NAME    CPU(cores)   MEMORY(bytes)   ',
      'big     1000m        200Mi           ',
      'small   10m          600Mi           ',
      '',
    ].join('\n'),
  );
  expect(await run('top', 'pod', '--containers', '-l', 'app=small', '--no-headers')).toBe(
    'small   main   5m    300Mi   \nsmall   side   5m    300Mi   \n',
  );
  expect((await run('top', 'po', '-A', '--sort-by=memory', '--no-headers')).split('\n')[0]).toMatch(/^default +small/);
  expect((await run('top', 'node')).split('\n').map((line) => line.trim().split(/ +/))).toEqual([
    ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'],
    ['node-1', '1010m', expect.stringMatching(/^\d+%$/), '800Mi', expect.stringMatching(/^\d+%$/)],
    ['node-2', '0m', '0%', '0Mi', '0%'],
    [''],
  ]);
});
