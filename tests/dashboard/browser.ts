/** A browser and a dashboard for tests: Chromium of the machine, a cluster that listens in this process, and the page as it is shipped. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { type Dashboard, startDashboard } from '#pkg/dashboard/server/dashboard.ts';
import type { DashboardOptions } from '#pkg/dashboard/server/options.ts';
import { connect } from '#pkg/kubectl/connect.ts';
import { writePage } from '../../deploy/package/page.ts';

const executable = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** Why there is no browser; undefined where there is one. */
export const noBrowser =
  executable === undefined ? 'there is no Chromium on this machine: install the package chromium' : undefined;

/** A dashboard in front of a cluster, and what it printed. */
export interface ServedDashboard extends Dashboard {
  /** The present code to sign in with. */
  code(): string;
}

/** Serves the cluster of a kubeconfig. */
export async function serveDashboard(
  kubeconfig: string,
  more: Partial<DashboardOptions> = {},
): Promise<ServedDashboard> {
  const assets = join(mkdtempSync(join(tmpdir(), 'coxswain-page-')), 'page');
  await writePage(assets);
  let code = '';
  const connection = { kubeconfig, requestTimeoutMs: 0, onWarning: () => {} };
  const served = await startDashboard({
    cluster: 'test',
    assets,
    port: 0,
    clock: new SystemClock(),
    log: silentLogger,
    connectLocal: () => connect(connection),
    connectWith: (token) => connect({ ...connection, token }),
    explain: async () => ({ nodes: [] }),
    onCode: (text) => {
      code = text;
    },
    ...more,
  });
  return {
    ...served,
    code: () => code,
    close: async () => {
      await served.close();
      rmSync(join(assets, '..'), { recursive: true, force: true });
    },
  };
}

/** Starts Chromium with a profile of its own, which ends with it, and further arguments. */
export function startBrowser(...more: readonly string[]): Promise<Browser> {
  if (executable === undefined) throw new Error(noBrowser);
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--enable-precise-memory-info',
    '--js-flags=--expose-gc',
    ...more,
  ];
  return chromium.launch({ executablePath: executable, headless: true, args });
}

/** A page with a browser's state of its own, whose own errors are gathered. */
export async function openPage(
  browser: Browser,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<{ readonly context: BrowserContext; readonly page: Page; readonly faults: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1_360, height: 850 }, ...options });
  // A limit against hanging, not a measure of speed.
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  return { context, page, faults };
}

/** Goes to the dashboard and signs in with the code of its terminal. */
export async function signIn(page: Page, served: ServedDashboard, view = ''): Promise<void> {
  await page.goto(`${served.address}${view}`);
  await page.getByLabel('Code that the terminal').fill(served.code());
  await page.getByRole('button', { name: 'Sign in with the kubeconfig' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
}

/** What axe finds against WCAG 2.1 AA, a line each. */
export async function violations(page: Page): Promise<readonly string[]> {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // By the protocol of the browser: the page's own policy lets in no scripts of others.
  const tools = await page.context().newCDPSession(page);
  await tools.send('Runtime.evaluate', { expression: axe });
  const run = `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ' ' + target + ' ' + failureSummary)))`;
  const { result } = await tools.send('Runtime.evaluate', { expression: run, awaitPromise: true, returnByValue: true });
  await tools.detach();
  return result.value as readonly string[];
}

const images = join(import.meta.dirname, '..', '..', 'docs', 'images');

/** Takes a picture of a view; the README's is renewed by COXSWAIN_PICTURES=1, as no two runs show the same times. */
export async function picture(page: Page, name: string): Promise<void> {
  const bytes = await page.screenshot();
  if (process.env.COXSWAIN_PICTURES === '1') writeFileSync(join(images, `${name}.png`), bytes);
}
