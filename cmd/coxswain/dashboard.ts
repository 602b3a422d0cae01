/** `coxswain dashboard`: a page to look at a cluster and to change it, at an address of this machine alone. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Transport } from '#pkg/client/client.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { readConnection } from '#pkg/cluster/kubeconfig-connection.ts';
import { type FlagTable, helpText, integer, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { startDashboard } from '#pkg/dashboard/server/dashboard.ts';
import type { Explain } from '#pkg/dashboard/server/explain.ts';
import type { UserApi } from '#pkg/dashboard/server/identities.ts';
import type { KubeApi } from '#pkg/kubectl/api.ts';
import { connect } from '#pkg/kubectl/connect.ts';
import { clusterFlags } from './cluster-flags.ts';
import { ClusterFolder } from './folder.ts';
import { checkName, dataFolder, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  kubeconfig: text({
    help: 'Kubeconfig of another cluster, in place of the one that --name says.',
    placeholder: 'file',
  }),
  port: integer({ help: 'Port on 127.0.0.1; 0 for any that is free.', fallback: 0, max: 65_535 }),
  open: toggle({ help: 'Open it in the browser of this machine.' }),
} satisfies FlagTable;

const summary = 'Look at a cluster in a browser.';

/** Runs the command until it is interrupted; resolves to its exit code. Throws `UserError` where there is no such cluster. */
export async function dashboard(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain dashboard --help")`);
  if (parsed.help) {
    world.write(helpText(flags, { usage: 'coxswain dashboard [flags]', summary }));
    return 0;
  }
  const { values, rest } = parsed;
  if (rest.length > 0) throw new UserError(`unexpected argument: ${rest[0]} (see "coxswain dashboard --help")`);
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const kubeconfig = values.kubeconfig === '' ? folder.kubeconfig : values.kubeconfig;
  // Says in one line where there is no cluster, before anything is started for it.
  const { server } = await readConnection(kubeconfig);
  const { clock } = world;
  const connection = { kubeconfig, requestTimeoutMs: 0, onWarning: () => {} };
  const options = { signals: process, clock, forceExit: (code: number) => process.exit(code) };
  await runUntilSignal(options, async (signal) => {
    const served = await startDashboard({
      cluster: values.kubeconfig === '' ? values.name : server,
      assets: await assetsOf(world),
      port: values.port,
      clock,
      log: createLogger({ write: world.writeError, clock, level: 'warn', format: 'text' }),
      connectLocal: (): Promise<UserApi> => connect(connection),
      connectWith: (token): Promise<UserApi> => connect({ ...connection, token }),
      explain: explainBy(world, values),
      onCode: (code) => world.write(`Code to sign in with your kubeconfig: ${code}\n`),
    });
    world.write(`Dashboard: ${served.address}\n`);
    if (values.open) openBrowser(served.address);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await served.close();
  });
  return 0;
}

/** The page's files: those of the package, or in a checkout what its sources make now. */
async function assetsOf({ rootFolder }: World): Promise<string> {
  const packaged = join(rootFolder, 'dist', 'dashboard');
  const builder = join(rootFolder, 'deploy', 'package', 'page.ts');
  if (!existsSync(builder)) return packaged;
  const made = join(rootFolder, '.cache', 'dashboard');
  const child = spawn(process.execPath, [builder, made], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  const code = await new Promise((resolve) => child.on('close', resolve).on('error', resolve));
  if (code !== 0) throw new UserError(`Cannot make the page of the dashboard: ${said.trim().split('\n').at(-1)}`);
  return made;
}

/** Explains as `coxswain explain` does, of what the asker may see. */
function explainBy(
  world: World,
  values: { readonly name: string; readonly 'data-dir': string; readonly kubeconfig: string },
): Explain {
  return async (api, { namespace, name }) => {
    const [{ simulationOf }, { readCluster }, { podInfoOf }, { pods }] = await Promise.all([
      import('./scheduling-flags.ts'),
      import('./cluster-objects.ts'),
      import('#pkg/scheduler/model/pod-info.ts'),
      import('#pkg/api/types/refs.ts'),
    ]);
    const settings = { ...values, scheduling: '', 'scheduler-config': '', 'feature-gates': '', output: '' };
    const { simulation, objects } = await simulationOf(world, settings);
    await readCluster(objects, createClient({ transport: readerOf(api), userAgent: 'coxswain-dashboard' }));
    simulation.load();
    const pod = objects.lister(pods).get(`${namespace}/${name}`);
    if (pod === undefined) throw new UserError(`Cannot explain pod "${namespace}/${name}" as there is none`);
    return simulation.explain(podInfoOf(pod));
  };
}

/** Reads over the connection of a session. */
function readerOf(api: KubeApi): Transport {
  return {
    request: async ({ path, query, signal }) => {
      const asked = Object.fromEntries(new URLSearchParams(query));
      const parts: Uint8Array[] = [];
      for await (const part of await api.stream({ method: 'GET', path, query: asked, signal })) parts.push(part);
      const headers = { 'content-type': 'application/json' };
      return { status: 200, headers, body: { kind: 'bytes', bytes: Buffer.concat(parts) } };
    },
  };
}

/** What desktops of Linux open addresses with; where there is none the address is on the terminal anyway. */
function openBrowser(address: string): void {
  const child = spawn('xdg-open', [address], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
