/** What controllers write when they look at everything anew and nothing has changed: nothing. */
import { expect, it } from 'vitest';
import { deployments, pods } from '#pkg/api/types/refs.ts';
import { startHarness } from './testing/harness.ts';

const count = 500;
/** Many times what it takes, for slow machines. */
const testMs = 300_000;

it(
  '500 Deployments that are as they should be cost no write when controllers look at all of them anew',
  async () => {
    const harness = await startHarness({ controllers: ['deployment-controller', 'replicaset-controller'] });
    const { client, clock, writes } = harness;
    for (let i = 0; i < count; i++) {
      const labels = { app: `web-${i}` };
      await client.resource(deployments).create({
        metadata: { name: `web-${i}`, namespace: 'default' },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'v1' }] } },
        },
      });
    }
    await clock.advance(60_000);
    const complete = (await harness.list(deployments)).filter(({ status }) => status?.availableReplicas === 1);
    expect([complete.length, (await harness.list(pods)).length]).toEqual([count, count]);
    writes.length = 0;
    await harness.restart();
    await clock.advance(600_000);
    expect(writes).toEqual([]);
    await harness.stop();
  },
  testMs,
);
