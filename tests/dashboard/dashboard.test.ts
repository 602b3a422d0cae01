/** The dashboard in Chromium before a cluster that listens: signing in, live lists, changes, and what is refused. Its screenshots are those of the README. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deployments, pods } from '#pkg/api/types/refs.ts';
import { pipelineDefinitions } from '#pkg/pipeline/crds.ts';
import { pipelineRuns } from '#pkg/pipeline/model/types.ts';
import { makeDeployment, makePod } from '#pkg/testing/builders.ts';
import { type ListeningTestCluster, startTestCluster } from '#pkg/testing/cluster.ts';
import {
  noBrowser,
  openPage,
  picture,
  type ServedDashboard,
  serveDashboard,
  signIn,
  startBrowser,
  violations,
} from './browser.ts';

if (noBrowser !== undefined) console.log(`The dashboard is not tested: ${noBrowser}`);

const checkout = {
  startTime: '2026-01-01T00:00:00Z',
  completionTime: '2026-01-01T00:00:03Z',
  podName: 'shop-1-checkout',
};
const build = { startTime: '2026-01-01T00:00:03Z', completionTime: '2026-01-01T00:00:07Z', podName: 'shop-1-build' };

/** A run that waits for a person. */
const shopRun = {
  spec: {
    pipeline: 'shop',
    repository: 'shop',
    ref: 'refs/heads/main',
    commit: 'c'.repeat(40),
    sequence: 1,
    steps: [
      { name: 'build', build: { image: 'shop', entry: 'server.js' } },
      {
        name: 'live',
        after: ['build'],
        deploy: { from: 'build', namespace: 'shop', deployment: 'web', container: 'web', approval: 'Manual' },
      },
    ],
  },
  status: {
    phase: 'Approval',
    startTime: '2026-01-01T00:00:00Z',
    steps: [
      { name: 'checkout', phase: 'Succeeded', reason: 'Completed', ...checkout },
      { name: 'build', phase: 'Succeeded', reason: 'Completed', image: 'shop@sha256:12', ...build },
      { name: 'live', phase: 'Approval', approvalTime: '2026-01-01T00:00:07Z' },
    ],
  },
} as const;

describe.skipIf(noBrowser !== undefined)('the dashboard', () => {
  let cluster: ListeningTestCluster;
  let served: ServedDashboard;
  let browser: Browser;

  beforeAll(async () => {
    cluster = await startTestCluster({ listen: true, nodes: 12 });
    const web = makeDeployment('web', { replicas: 9 });
    const sized = (cpu: string, memory: string) => ({ requests: { cpu, memory } });
    await cluster.apply(
      web,
      ...Array.from(
        { length: 14 },
        (_, i) =>
          makePod(`batch-${i}`)
            .labels({ app: 'batch' })
            .request(sized(`${400 + 130 * i}m`, `${3_600 - 210 * i}Mi`).requests).object,
      ),
      makePod('too-large').request({ cpu: '64' }).object,
    );
    await cluster.until(() => cluster.pods().filter(({ status }) => status?.phase === 'Running').length === 23);
    served = await serveDashboard(cluster.kubeconfigFile);
    browser = await startBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    await served?.close();
    await cluster?.stop();
  });

  /** Opens a view as somebody who is signed in, does something, and finds no fault of the page's own. */
  async function on(
    view: string,
    use: (page: Page) => Promise<void>,
    options: Parameters<typeof openPage>[1] = {},
  ): Promise<void> {
    const { context, page, faults } = await openPage(browser, options);
    try {
      await signIn(page, served, view);
      await use(page);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }

  test('nobody is let in with a wrong code, and the session is out of the page’s reach', async () => {
    const { context, page } = await openPage(browser);
    await page.goto(served.address);
    await page.getByLabel('Code that the terminal').fill('AAAAA-AAAAA');
    await page.getByRole('button', { name: 'Sign in with the kubeconfig' }).click();
    await page.getByText('this is not the code that the terminal shows now').waitFor();
    expect(await violations(page)).toEqual([]);
    await signIn(page, served);
    await page.getByText('kubernetes-admin').waitFor();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect((await context.cookies()).map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite }))).toEqual([
      { httpOnly: true, sameSite: 'Strict' },
    ]);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You have signed out.').waitFor();
    expect((await context.request.get(`${served.address}api/resources`)).status()).toBe(401);
    await context.close();
  });

  test('a list shows what there is and what changes, without being asked', async () => {
    await on('#/list/-/v1/pods', async (page) => {
      await page.getByText('24 objects').waitFor();
      await page.getByLabel('Labels').fill('app=batch');
      await page.getByText('14 of 24 objects').waitFor();
      await picture(page, 'dashboard-pods');
      await cluster.apply(makePod('batch-new').labels({ app: 'batch' }).object);
      await page.getByRole('link', { name: 'batch-new' }).waitFor();
      await cluster.client.resource(pods).delete('batch-new', { namespace: 'default', gracePeriodSeconds: 0 });
      await page.getByRole('link', { name: 'batch-new' }).waitFor({ state: 'detached' });
      await page.getByLabel('Labels').fill('app=(');
      await page.getByText('the label selector is none').waitFor();
      expect(await page.getByRole('group', { name: 'Time of the cluster' }).count()).toBe(0);
    });
  });

  test('a list is gone through by keyboard', async () => {
    await on('#/list/-/v1/pods?labels=app%3Dbatch', async (page) => {
      await page.getByText('14 of 24 objects').waitFor();
      await page.getByRole('grid').focus();
      await page.keyboard.press('End');
      await page.locator('[role=row][aria-selected=true]', { hasText: 'batch-9' }).waitFor();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'batch-9' }).waitFor();
      await page.getByRole('tab', { name: 'YAML' }).focus();
      await page.keyboard.press('ArrowRight');
      await page.getByRole('grid', { name: 'Events about batch-9' }).getByText('Scheduled', { exact: true }).waitFor();
    });
  });

  test('a change is applied by the server, and who else owns a field is said first', async () => {
    await on('#/object/apps/v1/deployments/default/web', async (page) => {
      const editor = page.getByRole('textbox', { name: 'YAML of the object' });
      await editor.getByText('replicas: 9').waitFor();
      const change = async (from: string, to: string): Promise<void> => {
        await editor.getByText(from).click();
        await page.keyboard.press('End');
        for (let i = 0; i < from.length; i++) await page.keyboard.press('Backspace');
        await page.keyboard.type(to);
      };
      await change('replicas: 9', 'replicas: 4');
      await page.getByRole('button', { name: 'Apply', exact: true }).click();
      await page.getByText('.spec.replicas', { exact: true }).waitFor();
      const deployment = () => cluster.client.resource(deployments).get('web', { namespace: 'default' });
      expect((await deployment()).spec?.replicas).toBe(9);
      expect(await violations(page)).toEqual([]);
      await page.getByRole('button', { name: 'Apply all the same' }).click();
      await page.getByText('Applied.').waitFor();
      const { spec, metadata } = await deployment();
      expect(spec?.replicas).toBe(4);
      expect(metadata?.managedFields?.map(({ manager }) => manager)).toContain('coxswain-dashboard');
      await change('replicas: 4', 'replicas: some');
      await page.getByRole('button', { name: 'Apply', exact: true }).click();
      await page.getByRole('alert').waitFor();
      expect((await deployment()).spec?.replicas).toBe(4);
    });
  });

  test('rollouts are shown as they go, and can be restarted', async () => {
    await on('#/rollouts', async (page) => {
      await page.getByText('Complete:').first().waitFor();
      await page.getByRole('button', { name: 'restart web' }).click();
      await page.getByText('deployment.apps/web restarted').waitFor();
      await page.getByText('Replica sets').click();
      await page.getByRole('row').nth(2).waitFor();
      await picture(page, 'dashboard-rollouts');
      await page.getByText('Complete:').first().waitFor();
    });
  });

  test('the map says of a node what is packed on it', async () => {
    await on('#/nodes', async (page) => {
      const map = page.getByRole('slider', { name: 'Nodes' });
      await page.locator('canvas[aria-valuemax="12"]').focus();
      await page.keyboard.press('Home');
      await page.getByRole('heading', { name: 'node-1', exact: true }).waitFor();
      expect(await map.getAttribute('aria-valuetext')).toMatch(/^node-1: CPU \d+ %, memory \d+ % taken/);
      await page.getByRole('grid', { name: 'Pods on node-1' }).getByRole('link').first().waitFor();
      await picture(page, 'dashboard-nodes');
    });
  });

  test('a run of a pipeline is shown with its steps, and what waits for a person is approved there', async () => {
    await cluster.apply(...pipelineDefinitions());
    const namespace = 'default';
    const run = await cluster.client
      .resource(pipelineRuns)
      .create({ ...shopRun, metadata: { name: 'shop-1', namespace } });
    await cluster.apply(makePod('shop-1-build').container({ name: 'step' }).object);
    const { status } = shopRun;
    await cluster.client.resource(pipelineRuns).update({ ...run, status }, { subresource: 'status' });
    await on('#/runs', async (page) => {
      await page.getByRole('link', { name: 'shop-1' }).click();
      const steps = page.getByRole('list', { name: 'Steps of shop-1' });
      await steps.getByText('after build').waitFor();
      expect(await steps.getByRole('listitem').allInnerTexts()).toEqual([
        expect.stringMatching(/^checkout\s+Succeeded 3s/),
        expect.stringMatching(/^build\s+Succeeded 4s[\s\S]*after checkout[\s\S]*shop@sha256:12/),
        expect.stringMatching(/^live\s+deploy\s+Approval[\s\S]*after build[\s\S]*to shop\/web/),
      ]);
      expect(await violations(page)).toEqual([]);
      await picture(page, 'dashboard-runs');
      await page.getByRole('button', { name: 'Approve live' }).click();
      await page.getByText('live of shop-1 is approved').waitFor();
      expect((await cluster.client.resource(pipelineRuns).get('shop-1', { namespace })).spec.approved).toEqual([
        'live',
      ]);
      await page.getByRole('button', { name: 'Log of build' }).click();
      await page.getByRole('region', { name: 'Log of step' }).waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByText('shop-1 is cancelled').waitFor();
      const { spec } = await cluster.client.resource(pipelineRuns).get('shop-1', { namespace });
      expect([spec.cancelled, spec.approved]).toEqual([true, ['live']]);
      const ended = { ...status, phase: 'Cancelled', completionTime: '2026-01-01T00:02:00Z' } as const;
      const now = await cluster.client.resource(pipelineRuns).get('shop-1', { namespace });
      await cluster.client.resource(pipelineRuns).update({ ...now, status: ended }, { subresource: 'status' });
      await page.getByRole('button', { name: 'Cancel' }).waitFor({ state: 'detached' });
    });
  });

  test.each(['light', 'dark'] as const)('no view is in the way of anybody (WCAG 2.1 AA, %s)', async (colorScheme) => {
    const views = [
      'nodes',
      'rollouts',
      'events',
      'machines',
      'runs',
      'list/-/v1/pods',
      'object/-/v1/pods/default/too-large?tab=events',
    ];
    await on(
      '#/nodes',
      async (page) => {
        for (const view of [
          ...views,
          'object/-/v1/pods/default/too-large?tab=logs',
          'object/-/v1/pods/default/batch-1?tab=terminal',
        ]) {
          await page.goto(`${served.address}#/${view}`);
          await page.getByRole('heading', { level: 1 }).waitFor();
          expect([view, await violations(page)]).toEqual([view, []]);
        }
        await page.goto(`${served.address}#/events`);
        await page.getByRole('img', { name: /Time line/ }).waitFor();
        if (colorScheme === 'dark') await picture(page, 'dashboard-events');
      },
      { colorScheme },
    );
  });
});
