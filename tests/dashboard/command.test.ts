/** `coxswain dashboard` before a cluster that `coxswain up` has started: a log, a terminal, why a pod waits, and a token's own rights. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, hookMs, RunningCluster, type RunOptions, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { noBrowser, openPage, startBrowser } from './browser.ts';

const manifest = `
apiVersion: v1
kind: Pod
metadata: { name: talker, namespace: default }
spec:
  containers: [{ name: main, image: coxswain.dev/echo }]
---
apiVersion: v1
kind: Pod
metadata: { name: waits, namespace: default }
spec:
  nodeSelector: { disk: fast }
  containers: [{ name: main, image: coxswain.dev/echo }]
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: reader, namespace: default }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: reader, namespace: default }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view }
subjects: [{ kind: ServiceAccount, name: reader, namespace: default }]
`;

describe.skipIf(noBrowser !== undefined)('coxswain dashboard', () => {
  let cluster: RunningCluster;
  let server: ChildProcess;
  let output = '';
  let browser: Browser;

  const kubectl = (args: readonly string[], options: RunOptions = {}): Promise<CommandResult> =>
    run(process.execPath, [join(root, 'cmd/coxswain/main.ts'), 'kubectl', ...args], { ...options, env: cluster.env() });

  const printed = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(output)?.[1];
      if (found !== undefined) return found;
      await new Promise((resolve) => server.stdout?.once('data', resolve));
    }
  };

  beforeAll(async () => {
    cluster = await RunningCluster.start();
    const applied = await kubectl(['apply', '-f', '-'], { input: manifest });
    expect(applied.stderr).toBe('');
    expect((await kubectl(['wait', 'pod/talker', '--for=condition=Ready', '--timeout=120s'])).code).toBe(0);
    server = spawn(process.execPath, [join(root, 'cmd/coxswain/main.ts'), 'dashboard', '--data-dir', cluster.dataDir]);
    server.stdout?.on('data', (bytes: Buffer) => {
      output += bytes;
    });
    await printed(/(Dashboard: )/);
    browser = await startBrowser();
  }, hookMs);

  afterAll(async () => {
    await browser?.close();
    server?.kill();
    await cluster?.remove();
  }, hookMs);

  async function on(view: string, use: (page: Page) => Promise<void>): Promise<void> {
    const { context, page, faults } = await openPage(browser);
    await page.goto(`${await printed(/Dashboard: (\S+)/)}${view}`);
    const codes = [...output.matchAll(/: (\w{5}-\w{5})\n/g)].map(([, code = '']) => code);
    await page.getByLabel('Code that the terminal').fill(codes.at(-1) ?? '');
    await page.getByRole('button', { name: 'Sign in with the kubeconfig' }).click();
    await use(page);
    expect(faults).toEqual([]);
    await context.close();
  }

  test(
    'at the address that "up" printed it answers, too, by the code that the cluster keeps',
    async () => {
      const { dashboard } = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout) as {
        readonly dashboard: string;
      };
      expect(dashboard).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      const code = async (): Promise<string> => (await cluster.coxswain(['dashboard', '--code'])).stdout.trim();
      const first = await code();
      expect(first).toMatch(/^\w{5}-\w{5}$/);
      const { context, page, faults } = await openPage(browser);
      await page.goto(`${dashboard}#/list/-/v1/pods`);
      await page.getByLabel('Code that the terminal').fill(first);
      await page.getByRole('button', { name: 'Sign in with the kubeconfig' }).click();
      await page.getByRole('link', { name: 'talker', exact: true }).waitFor();
      // It has counted: the next one is another.
      await expect.poll(code, { timeout: hookMs }).not.toBe(first);
      expect(faults).toEqual([]);
      await context.close();
    },
    hookMs,
  );

  test('a log comes as it is written, and a terminal answers', async () => {
    await on('#/object/-/v1/pods/default/talker?tab=logs', async (page) => {
      await page.getByRole('region', { name: 'Log of main' }).getByText('listening').waitFor();
      await page.getByRole('tab', { name: 'Terminal' }).click();
      await page.getByRole('button', { name: 'Run', exact: true }).click();
      await page.locator('.xterm').waitFor();
      await page.keyboard.type('echo $((6*7))-is-said; exit 3\n');
      await page.getByText('The command has ended with code 3.').waitFor();
      // The terminal is drawn in its own time.
      await expect.poll(() => page.locator('.xterm').innerText(), { timeout: hookMs }).toContain('42-is-said');
    });
  });

  test('why a pod waits is said for every node and plugin', async () => {
    await on('#/object/-/v1/pods/default/waits?tab=placement', async (page) => {
      await page.getByText('The pod is on no node.').waitFor();
      await page.getByRole('cell', { name: /^NodeAffinity: / }).waitFor();
      await page.getByRole('tab', { name: 'Logs' }).click();
      await page.getByText('Nothing is written there.').waitFor();
    });
  });

  test('a token may do what its user may, and its refusals are shown', async () => {
    const { stdout: token } = await kubectl(['create', 'token', 'reader']);
    const { context, page } = await openPage(browser);
    await page.goto(`${await printed(/Dashboard: (\S+)/)}#/object/-/v1/pods/default/talker`);
    await page.getByLabel('Or a token').fill(token);
    await page.getByRole('button', { name: 'Sign in with the token' }).click();
    await page.getByText('system:serviceaccount:default:reader').first().waitFor();
    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByRole('button', { name: 'Delete talker' }).click();
    await page.getByText('cannot delete resource "pods"').waitFor();
    await context.close();
  });
});
