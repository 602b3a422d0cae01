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

/** Changes that are looked at. */
const changes = Number(process.env.COXSWAIN_SCALE_CHANGES ?? 100);

/** Milliseconds since a change was asked for: when the API server had made it, the page had heard of it, had it in its document, and had drawn it. */
type Stages = Readonly<Record<'made' | 'heard' | 'shown' | 'drawn', number>>;

/** Notes in the page when it hears of what it waits for: waiting from here would measure the protocol in between. */
const noteMessages = `window.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    this.addEventListener('message', ({ data }) => { if (window.wanted && data.includes(window.wanted)) window.heard ??= Date.now(); });
  }
}`;

async function stagesOf(cluster: ListeningTestCluster, page: Page, name: string): Promise<Stages> {
  await page.evaluate(`window.wanted = ${JSON.stringify(name)}; window.heard = undefined;
    void (window.seen = new Promise((resolve) => {
      const place = document.querySelector('.grid-body');
      new MutationObserver((_changes, observer) => {
        if (!place.textContent.includes(window.wanted)) return;
        observer.disconnect();
        const shown = Date.now();
        requestAnimationFrame(() => setTimeout(() => resolve({ heard: window.heard, shown, drawn: Date.now() })));
      }).observe(place, { subtree: true, childList: true, characterData: true });
    }))`);
  const beganMs = Date.now();
  await cluster.client.resource(podsRef).create(makePod(name).object);
  const madeMs = Date.now();
  const { heard, shown, drawn } = (await page.evaluate('window.seen')) as Omit<Stages, 'made'>;
  return { made: madeMs - beganMs, heard: heard - beganMs, shown: shown - beganMs, drawn: drawn - beganMs };
}

/** Milliseconds of processor time: of the page by what it was for, and of all processes of the browser. */
async function processorTimeOf(page: Page): Promise<Readonly<Record<string, number>>> {
  const tools = await page.context().newCDPSession(page);
  await tools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const { metrics } = await tools.send('Performance.getMetrics');
  await tools.detach();
  const browser = await page.context().browser()!.newBrowserCDPSession();
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo');
  await browser.detach();
  const of = (name: string): number => 1_000 * (metrics.find((one) => one.name === name)?.value ?? 0);
  return {
    scripts: of('ScriptDuration'),
    styles: of('RecalcStyleDuration'),
    layout: of('LayoutDuration'),
    'all of the page': of('TaskDuration'),
    ...Object.fromEntries(processInfo.map(({ type, id, cpuTime }) => [`${type} ${id}`, 1_000 * cpuTime])),
  };
}

/** A change after the other, and at which stage the latest of them were late. */
async function sayLatencies(cluster: ListeningTestCluster, page: Page): Promise<void> {
  const found: Stages[] = [];
  const before = await processorTimeOf(page);
  for (let i = 1; i <= changes; i++) found.push(await stagesOf(cluster, page, `app-0-new-${1_000 - i}-x`));
  const used = Object.entries(await processorTimeOf(page)).map(
    ([what, ms]) => `${what} ${((ms - (before[what] ?? 0)) / changes).toFixed(1)}`,
  );
  found.sort((a, b) => a.drawn - b.drawn);
  const at = (share: number): Stages | undefined => found[Math.min(found.length - 1, Math.floor(share * found.length))];
  const say = (one?: Stages): string =>
    `${one?.drawn} ms (made after ${one?.made}, heard ${one?.heard}, in the document ${one?.shown})`;
  console.log(`a change is on the screen, of ${found.length}: median ${say(at(0.5))}`);
  console.log(`  of a hundred the fifth last ${say(at(0.95))}`);
  console.log(`  the last ${say(at(1))}`);
  console.log(`  milliseconds of processor time for each: ${used.join(', ')}`);
}

async function main(): Promise<void> {
  const cluster = await startTestCluster({ listen: true, nodes: 0, controllers: [] });
  await fillCluster(cluster, { nodes: nodeCount, pods: podCount });
  console.log(`${nodeCount} nodes, ${podCount} pods`);
  const { child, code, address } = await startServer(cluster.kubeconfigFile);
  const browser = await startBrowser();
  const { page } = await openPage(browser);
  await page.addInitScript(noteMessages);
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
  await sayLatencies(cluster, page);
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
