/** The hand on a cluster's time in the header of the dashboard, in Chromium before a cluster on virtual time. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';
import {
  noBrowser,
  openPage,
  type ServedDashboard,
  serveDashboard,
  signIn,
  startBrowser,
  violations,
} from './browser.ts';

const stepMs = 600_000;

describe.skipIf(noBrowser !== undefined)('time in the dashboard', () => {
  let cluster: RunningCluster;
  let served: ServedDashboard;
  let browser: Browser;

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags: ['--virtual-time'] });
    served = await serveDashboard(cluster.kubeconfig);
    browser = await startBrowser();
  }, hookMs);

  afterAll(async () => {
    await browser?.close();
    await served?.close();
    await cluster?.remove();
  }, hookMs);

  /** Milliseconds since the epoch, as the cluster says: the page may still be told of a moment before. */
  const nowMs = async (): Promise<number> => {
    const { stdout } = await cluster.coxswain(['time', '-o', 'json']);
    return Date.parse((JSON.parse(stdout) as { readonly now: string }).now);
  };

  test(
    'it is paused, stepped by minutes and runs again',
    async () => {
      const { context, page, faults } = await openPage(browser);
      await signIn(page, served, '#/list/-/v1/nodes');
      await page.getByRole('button', { name: 'Pause', exact: true }).click();
      await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
      const before = await nowMs();
      await page.getByLabel('Step').selectOption('10 minutes');
      await page.getByRole('button', { name: 'Step', exact: true }).click();
      const later = new Date(before + stepMs).toISOString();
      await page.locator(`time[datetime="${later}"]`).waitFor({ timeout: hookMs });
      // Ages are by the cluster's time.
      await page.getByRole('gridcell', { name: /^\d\dm$/ }).waitFor();
      await page.getByLabel('Speed').selectOption('as fast as it goes');
      await page.getByRole('button', { name: 'Run', exact: true }).click();
      const shown = async (): Promise<number> =>
        Date.parse((await page.locator('.time time').getAttribute('datetime')) ?? '');
      await expect.poll(shown, { timeout: hookMs }).toBeGreaterThan(before + 2 * stepMs);
      await page.getByRole('button', { name: 'Pause', exact: true }).click();
      await page.getByRole('button', { name: 'Run', exact: true }).waitFor();
      expect(await violations(page)).toEqual([]);
      expect(faults).toEqual([]);
      await context.close();
    },
    hookMs,
  );
});
