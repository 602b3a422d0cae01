/** What the page of a large cluster is told and draws, in counts: neither grows with the cluster. `scale.ts` measures times and memory. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pods } from '#pkg/api/types/refs.ts';
import type { ServerMessage } from '#pkg/dashboard/model/protocol.ts';
import { makePod } from '#pkg/testing/builders.ts';
import { type ListeningTestCluster, startTestCluster } from '#pkg/testing/cluster.ts';
import { noBrowser, openPage, type ServedDashboard, serveDashboard, signIn, startBrowser } from './browser.ts';
import { fillCluster } from './large-cluster.ts';

const nodeCount = 200;
const podCount = 2_000;
/** Rows that fit on the screen of the tests, with those that are ready above and below. */
const rowsMax = 150;

describe.skipIf(noBrowser !== undefined)('the dashboard of a large cluster', () => {
  let cluster: ListeningTestCluster;
  let served: ServedDashboard;
  let browser: Browser;

  beforeAll(async () => {
    cluster = await startTestCluster({ listen: true, nodes: 0, controllers: [] });
    await fillCluster(cluster, { nodes: nodeCount, pods: podCount });
    served = await serveDashboard(cluster.kubeconfigFile);
    browser = await startBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    await served?.close();
    await cluster?.stop();
  });

  /** Opens a view; `heard` are the messages that the page gets from then on. */
  async function on(view: string, use: (page: Page, heard: ServerMessage[]) => Promise<void>): Promise<void> {
    const { context, page, faults } = await openPage(browser);
    const heard: ServerMessage[] = [];
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => void heard.push(JSON.parse(String(payload)) as ServerMessage)),
    );
    try {
      await signIn(page, served, view);
      await use(page, heard);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }

  /** Keys of the rows that the page was sent. */
  const rowsIn = (heard: readonly ServerMessage[]): readonly string[] =>
    heard.flatMap((message) => (message.type === 'rows' ? message.rows.map(({ key }) => key) : []));

  test('a list is sent and drawn as far as it is seen, from its first row to its last', async () => {
    await on('#/list/-/v1/pods', async (page, heard) => {
      await page.getByText(`${podCount.toLocaleString('en')} objects`, { exact: true }).waitFor();
      await page.getByRole('link', { name: 'app-0', exact: true }).waitFor();
      expect(rowsIn(heard).length).toBeLessThan(rowsMax);
      expect(await page.getByRole('row').count()).toBeLessThan(rowsMax);
      heard.length = 0;
      await page.getByRole('grid').focus();
      await page.keyboard.press('End');
      await page.locator('[role=row][aria-selected=true]', { hasText: 'app-999' }).waitFor();
      expect(rowsIn(heard).length).toBeLessThan(rowsMax);
      expect(await page.getByRole('row').count()).toBeLessThan(rowsMax);
    });
  });

  test('of changes the page hears what is in sight', async () => {
    await on('#/list/-/v1/pods', async (page, heard) => {
      await page.getByText(`${podCount.toLocaleString('en')} objects`, { exact: true }).waitFor();
      await page.getByRole('link', { name: 'app-0', exact: true }).waitFor();
      heard.length = 0;
      const options = { namespace: 'default', type: 'merge' } as const;
      for (let index = 900; index < 1_000; index++)
        await cluster.client
          .resource(pods)
          .patch(`app-${index}`, { metadata: { annotations: { seen: 'no' } } }, options);
      await cluster.client.resource(pods).create(makePod('app-0-new').object);
      await page.getByRole('link', { name: 'app-0-new', exact: true }).waitFor();
      // The last of the list by their names; what is in sight may still come.
      expect(rowsIn(heard).filter((key) => /\/app-9\d\d$/.test(key))).toEqual([]);
      await expect.poll(() => rowsIn(heard), { timeout: 60_000 }).toContain('default/app-0-new');
      expect(rowsIn(heard).length).toBeLessThan(rowsMax);
      await cluster.client.resource(pods).delete('app-0-new', { namespace: 'default', gracePeriodSeconds: 0 });
      await page.getByRole('link', { name: 'app-0-new', exact: true }).waitFor({ state: 'detached' });
    });
  });

  test('the map has all nodes on one canvas, and of changes hears the node', async () => {
    await on('#/nodes', async (page, heard) => {
      await page.locator(`canvas[aria-valuemax="${nodeCount}"]`).waitFor();
      const isWhole = (): boolean => heard.some((message) => message.type === 'nodes' && message.isComplete);
      await expect.poll(isWhole, { timeout: 60_000 }).toBe(true);
      expect(await page.locator('canvas').count()).toBe(1);
      expect(await page.locator('main *').count()).toBeLessThan(rowsMax);
      heard.length = 0;
      const pod = makePod('more').request({ cpu: '3', memory: '1Gi' }).object;
      await cluster.client.resource(pods).create({ ...pod, spec: { ...pod.spec!, nodeName: 'node-7' } });
      const told = (): readonly string[] =>
        heard.flatMap((message) => (message.type === 'nodes' ? message.nodes.map(([name]) => name) : []));
      await expect.poll(told, { timeout: 60_000 }).toEqual(['node-7']);
      await cluster.client.resource(pods).delete('more', { namespace: 'default', gracePeriodSeconds: 0 });
    });
  });
});
