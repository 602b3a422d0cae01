/** What other pages try with the dashboard of somebody who is signed in, in Chromium, and what becomes of a session that has expired there. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deployments } from '#pkg/api/types/refs.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { type ListeningTestCluster, startTestCluster } from '#pkg/testing/cluster.ts';
import { noBrowser, openPage, type ServedDashboard, serveDashboard, signIn, startBrowser } from './browser.ts';

/** How long a session lasts, used or not. */
const sessionMs = 12 * 3_600_000;

/** A name that somebody else's DNS lets lead to this machine. */
const reboundName = 'rebound.example';

/** A page that acts on the dashboard at `target` as soon as it is opened, and says what came of it in its title. */
function hostilePage(target: string): string {
  const restart = { action: 'restart', resource: 'deployments', namespace: 'default', name: 'web' };
  return `<!doctype html><title>at work</title><iframe src="${target}"></iframe><script type="module">
    const answers = [];
    const asked = (path, options) => fetch(${JSON.stringify(target)} + path, { credentials: 'include', ...options }).then((answer) => answer.text(), () => 'refused');
    answers.push('read ' + await asked('api/resources', {}));
    answers.push('delete ' + await asked('api/objects/apps/v1/deployments/default/web', { method: 'DELETE' }));
    await asked('api/rollouts', { method: 'POST', mode: 'no-cors', body: ${JSON.stringify(JSON.stringify(restart))} });
    answers.push('socket ' + await new Promise((resolve) => {
      const socket = new WebSocket(${JSON.stringify(`${target.replace('http', 'ws')}socket`)});
      socket.onopen = () => resolve('open');
      socket.onerror = () => resolve('refused');
    }));
    document.title = answers.join(', ');
  </script>`;
}

describe.skipIf(noBrowser !== undefined)('other pages', () => {
  const clock = new VirtualClock();
  let cluster: ListeningTestCluster;
  let served: ServedDashboard;
  let browser: Browser;
  let hostile: Server;

  beforeAll(async () => {
    cluster = await startTestCluster({ listen: true, nodes: 1 });
    await cluster.apply(makeDeployment('web', { replicas: 1 }));
    served = await serveDashboard(cluster.kubeconfigFile, { clock });
    browser = await startBrowser(`--host-resolver-rules=MAP ${reboundName} 127.0.0.1`);
    hostile = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end(hostilePage(served.address));
    });
    await new Promise<void>((listening) => hostile.listen(0, '127.0.0.1', listening));
  });

  afterAll(async () => {
    await browser?.close();
    hostile?.close();
    await served?.close();
    await cluster?.stop();
  });

  async function signedIn(use: (page: Page, context: BrowserContext) => Promise<void>): Promise<void> {
    const { context, page } = await openPage(browser);
    try {
      await signIn(page, served);
      await use(page, context);
    } finally {
      await context.close();
    }
  }

  test('a page of another port, which the browser sends the cookie for, reads, changes and frames nothing', async () => {
    await signedIn(async (_, context) => {
      const before = await cluster.client.resource(deployments).get('web', { namespace: 'default' });
      const page = await context.newPage();
      const { port } = hostile.address() as AddressInfo;
      await page.goto(`http://127.0.0.1:${port}/`);
      await expect.poll(() => page.title(), { timeout: 60_000 }).toBe('read refused, delete refused, socket refused');
      // The place of the frame is there, and not the dashboard in it.
      const frames = page.frames().slice(1);
      expect(await Promise.all(frames.map((frame) => frame.locator('#app').count()))).toEqual([0]);
      const { spec, metadata } = await cluster.client.resource(deployments).get('web', { namespace: 'default' });
      expect([spec, metadata?.deletionTimestamp]).toEqual([before.spec, undefined]);
    });
  });

  test('another name of this machine, and credentials in an address, are told why they are refused', async () => {
    const { context, page } = await openPage(browser);
    const { port } = new URL(served.address);
    for (const [address, status, reason] of [
      [`http://${reboundName}:${port}/`, 421, `this server is not \\"${reboundName}:${port}\\"`],
      [`${served.address}?token=abc`, 400, 'credentials are not taken from a URL: sign in on the page'],
    ] as const) {
      const answer = await page.goto(address);
      expect([answer?.status(), await answer?.text()]).toEqual([status, expect.stringContaining(reason)]);
    }
    await context.close();
  });

  test('a session that has lasted its time is over, and the page says so', async () => {
    await signedIn(async (page, context) => {
      await clock.advance(sessionMs + 1);
      await page.getByText(/the session has (expired|ended)/i).waitFor();
      await page.getByLabel('Code that the terminal').waitFor();
      expect((await context.request.get(`${served.address}api/resources`)).status()).toBe(401);
    });
  });
});
