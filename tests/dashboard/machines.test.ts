/**
 * Virtual machines in the dashboard, in Chromium: a migration is shown as it runs. What its ends say of it is written by the test; `COXSWAIN_MACHINES=1` has a machine move in a cluster that `coxswain up` has started, too, which
 * takes as long as it takes, and with COXSWAIN_PICTURES=1 makes the README's picture.
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type VirtualMachineMigrationStatus, virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import { startTestCluster } from '#pkg/testing/cluster.ts';
import { type CommandResult, hookMs, RunningCluster, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { noBrowser, openPage, picture, serveDashboard, signIn, startBrowser, violations } from './browser.ts';

/** So slow that the memory is on its way for seconds. */
const bandwidth = '256Ki';

const round = (number: number, pages: number, dirtied: number) => ({
  ...{ round: number, pages, bytes: 4096 * pages, durationMs: 40, dirtied },
});

describe.skipIf(noBrowser !== undefined)('virtual machines in the dashboard', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await startBrowser();
  }, hookMs);

  afterAll(async () => {
    await browser?.close();
  }, hookMs);

  /** Opens the view of the machines of a cluster. */
  async function on(kubeconfig: string, use: (page: Page) => Promise<void>): Promise<void> {
    const served = await serveDashboard(kubeconfig);
    const { context, page, faults } = await openPage(browser);
    await signIn(page, served, '#/machines');
    await use(page);
    expect(await violations(page)).toEqual([]);
    expect(faults).toEqual([]);
    await context.close();
    await served.close();
  }

  test(
    'a migration is shown as it runs, with its rounds, and how it ended',
    async () => {
      const cluster = await startTestCluster({ listen: true, nodes: 0, controllers: [] });
      const resource = cluster.client.resource(virtualMachineMigrations);
      const says = async (name: string, status: VirtualMachineMigrationStatus): Promise<void> => {
        const now = await resource.get(name, { namespace: 'default' });
        await resource.update({ ...now, status }, { subresource: 'status' });
      };
      await on(cluster.kubeconfigFile, async (page) => {
        const migrations = page.getByRole('region', { name: 'Migrations' });
        await migrations.getByText('No machine has moved yet').waitFor();
        const { apiVersion, kind } = { apiVersion: 'vm.coxswain.dev/v1alpha1', kind: 'VirtualMachineMigration' };
        const metadata = { name: 'board-1', namespace: 'default' };
        await resource.create({ apiVersion, kind, metadata, spec: { vmName: 'board' } });
        await migrations.getByText('board from … to …').waitFor();
        const begun = {
          phase: 'Running',
          sourceNode: 'a',
          targetNode: 'b',
          startTime: '2026-01-01T00:00:00.000000Z',
        } as const;
        const figures = {
          sentBytes: 2 ** 21,
          bandwidth: 2 ** 20,
          throttle: 0.5,
          rounds: [round(0, 500, 80), round(1, 80, 12)],
        };
        await says('board-1', { ...begun, source: { node: 'a', figures } });
        await migrations.getByText('board from a to b').waitFor();
        await migrations.getByText('2 MiB sent, 1 MiB a second, held back to 50 % of its time').waitFor();
        const rounds = page.getByRole('img', { name: '2 rounds of board-1; round 1: 80 pages sent' });
        await rounds.waitFor();
        expect(await rounds.locator('rect').count()).toBe(4);
        const end = { ...figures, throttle: 1, downtimeMs: 14.25, rounds: [...figures.rounds, round(2, 12, 0)] };
        const ended = { ...begun, phase: 'Succeeded', completionTime: '2026-01-01T00:00:03.000000Z' } as const;
        await says('board-1', { ...ended, source: { node: 'a', outcome: 'completed', figures: end } });
        await migrations.getByText('Succeeded', { exact: true }).waitFor();
        await migrations.getByText('2 MiB sent, 1 MiB a second, stood still for 14.3 ms').waitFor();
        await page.getByRole('img', { name: '3 rounds of board-1; round 2: 12 pages sent' }).waitFor();
      });
      await cluster.stop();
    },
    hookMs,
  );

  test.skipIf(process.env.COXSWAIN_MACHINES !== '1')(
    'so is that of a machine that moves',
    async () => {
      const succeeded = async (result: Promise<CommandResult>): Promise<void> => {
        const { code, stdout, stderr } = await result;
        expect(code, `${stdout}${stderr}`).toBe(0);
      };
      const cluster = await RunningCluster.start({ flags: ['--nodes', '2', '--runtime', 'inprocess,vm'] });
      const example = 'manifests/examples/virtual-machine.yaml';
      const apply = [join(root, 'cmd/coxswain/main.ts'), 'kubectl', 'apply', '-f', example];
      await succeeded(run(process.execPath, apply, { env: cluster.env() }));
      await succeeded(cluster.coxswain(['vm', 'start', 'board']));
      await on(cluster.kubeconfig, async (page) => {
        const flags = ['--bandwidth', bandwidth, '--mode', 'pre-copy'];
        const moved = succeeded(cluster.coxswain(['vm', 'migrate', 'board', ...flags]));
        const migrations = page.getByRole('region', { name: 'Migrations' });
        await Promise.all([migrations.getByText('Running', { exact: true }).waitFor(), moved]);
        await migrations.getByText('Succeeded', { exact: true }).waitFor();
        await migrations.getByText(/ sent, .*stood still for [\d.]+ ms/).waitFor();
        await page.getByRole('img', { name: /rounds? of .*round \d+: [\d,]+ pages sent/ }).waitFor();
        await picture(page, 'dashboard-machines');
      });
      await cluster.remove();
    },
    2 * hookMs,
  );
});
