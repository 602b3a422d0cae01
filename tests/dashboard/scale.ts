/**
 * Measures the dashboard before a large cluster: `node tests/dashboard/scale.ts [nodes] [pods]`, by default 5,000 and 100,000. The dashboard's server is a process of its own, as it is for people; the
 * cluster is the API server on the memory store in this one, with objects and no controllers. Prints how long the first view takes, how late a change is seen, what the page keeps in memory and what the server uses of a core.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { pods as podsRef } from '#pkg/api/types/refs.ts';
import { makePod } from '#pkg/testing/builders.ts';
import { type ListeningTestCluster, startTestCluster } from '#pkg/testing/cluster.ts';
import { openPage, startBrowser } from './browser.ts';
import { fillCluster } from './large-cluster.ts';

const [nodeCount = 5_000, podCount = 100_000] = process.argv.slice(2).map(Number);
const root = join(import.meta.dirname, '..', '..');
/** The dashboard as people start it: what it printed, and its process. */
async function startServer(kubeconfig: string) {
  const child = spawn(process.execPath, [join(root, 'cmd/coxswain/main.ts'), 'dashboard', '--kubeconfig', kubeconfig]);
  let output = '';
  child.stderr.pipe(process.stderr);
  await new Promise<void>((resolve) =>
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes;
      if (output.includes('Dashboard: ')) resolve();
    }),
  );
  const [, code = ''] = /: (\w+-\w+)\n/.exec(output) ?? [];
  const [, address = ''] = /Dashboard: (\S+)/.exec(output) ?? [];
  return { child, code, address };
}

/** Milliseconds of processor time that a process has used, and its resident MiB. */
function usageOf(pid: number): { readonly cpuMs: number; readonly memoryMiB: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ');
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { cpuMs: 10 * (Number(fields[11]) + Number(fields[12])), memoryMiB: Math.round(Number(resident) / 1024) };
}

/** MiB that the page's scripts hold after a collection. */
async function pageMemory(page: Page): Promise<number> {
  const tools = await page.context().newCDPSession(page);
  await tools.send('HeapProfiler.collectGarbage');
  const {
    usedSize,
    embedderHeapUsedSize = 0,
    backingStorageSize = 0,
  } = (await tools.send('Runtime.getHeapUsage')) as {
    usedSize: number;
    embedderHeapUsedSize?: number;
    backingStorageSize?: number;
  };
  await tools.detach();
  return (usedSize + embedderHeapUsedSize + backingStorageSize) / 2 ** 20;
}

async function latencies(cluster: ListeningTestCluster, page: Page): Promise<readonly number[]> {
  const found: number[] = [];
  for (let i = 0; i < 20; i++) {
    // The page itself says when it has drawn it: waiting from here would measure the protocol in between.
    await page.evaluate(`void (window.seen = new Promise((resolve) => {
      const look = () => document.body.textContent.includes('app-0-new-${i}') ? requestAnimationFrame(() => resolve(Date.now())) : requestAnimationFrame(look);
      look(); }))`);
    const beganMs = Date.now();
    await cluster.client.resource(podsRef).create(makePod(`app-0-new-${i}`).object);
    found.push(Number(await page.evaluate('window.seen')) - beganMs);
  }
  return found.sort((a, b) => a - b);
}

async function main(): Promise<void> {
  const cluster = await startTestCluster({ listen: true, nodes: 0, controllers: [] });
  await fillCluster(cluster, { nodes: nodeCount, pods: podCount });
  console.log(`${nodeCount} nodes, ${podCount} pods`);
  const { child, code, address } = await startServer(cluster.kubeconfigFile);
  const browser = await startBrowser();
  const { page } = await openPage(browser);
  await page.goto(`${address}#/list/-/v1/pods`);
  await page.getByLabel('Code that the terminal').fill(code);
  const signedInMs = Date.now();
  await page.getByRole('button', { name: 'Sign in with the kubeconfig' }).click();
  await page.getByRole('link', { name: 'app-0', exact: true }).waitFor();
  console.log(`first view of the pods, from signing in: ${Date.now() - signedInMs} ms`);
  await page.getByText(`${podCount.toLocaleString('en')} objects`, { exact: true }).waitFor({ timeout: 300_000 });
  console.log(`all pods known to the server after ${Date.now() - signedInMs} ms`);
  await page.reload();
  const reloadedMs = Date.now();
  await page.getByRole('link', { name: 'app-0', exact: true }).waitFor();
  console.log(`first view again, with what the server knows: ${Date.now() - reloadedMs} ms after loading`);
  const late = await latencies(cluster, page);
  console.log(`a change is on the screen after ${late[10]} ms (median), ${late.at(-1)} ms (most) of ${late.length}`);
  console.log(`the page with a list: ${(await pageMemory(page)).toFixed(1)} MiB`);
  await page.goto(`${address}#/nodes`);
  await page.locator(`canvas[aria-valuemax="${nodeCount}"]`).waitFor();
  console.log(`the page with the map: ${(await pageMemory(page)).toFixed(1)} MiB`);
  const pid = child.pid ?? 0;
  const [before, beganMs] = [usageOf(pid), Date.now()];
  for (let i = 0; i < 100; i++) {
    const [metadata, namespace] = [{ annotations: { turn: String(i) } }, 'default'];
    await cluster.client.resource(podsRef).patch(`app-${i}`, { metadata }, { namespace, type: 'merge' });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const share = (100 * (usageOf(pid).cpuMs - before.cpuMs)) / (Date.now() - beganMs);
  console.log(
    `the server at 10 changes a second: ${share.toFixed(1)} % of a core, ${usageOf(pid).memoryMiB} MiB resident`,
  );
  await browser.close();
  child.kill();
  await cluster.stop();
}

await main();
