/** `coxswain dashboard`: a page to look at a cluster and to change it, at an address of this machine alone. */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { readConnection } from '#pkg/cluster/kubeconfig-connection.ts';
import { type FlagTable, helpText, integer, parseFlags, text, toggle } from '#pkg/component/flags.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { clusterFlags } from './cluster-flags.ts';
import { dashboardCode } from './dashboard-door.ts';
import { serveDashboard } from './dashboard-server.ts';
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
  code: toggle({ help: 'Print the code for the address that "coxswain up" has printed, and start nothing.' }),
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
  if (values.code) {
    if (values.kubeconfig !== '')
      throw new UserError('--code is of a cluster of "coxswain up": --kubeconfig names another');
    world.write(`${await dashboardCode(folder)}\n`);
    return 0;
  }
  const kubeconfig = values.kubeconfig === '' ? folder.kubeconfig : values.kubeconfig;
  // Says in one line where there is no cluster, before anything is started for it.
  const { server } = await readConnection(kubeconfig);
  const { clock } = world;
  const options = { signals: process, clock, forceExit: (code: number) => process.exit(code) };
  await runUntilSignal(options, async (signal) => {
    const served = await serveDashboard(world, {
      cluster: values.kubeconfig === '' ? values.name : server,
      port: values.port,
      kubeconfig,
      place: values,
      onCode: (code) => world.write(`Code to sign in with your kubeconfig: ${code}\n`),
    });
    world.write(`Dashboard: ${served.address}\n`);
    if (values.open) openBrowser(served.address);
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await served.close();
  });
  return 0;
}

/** What desktops of Linux open addresses with; where there is none the address is on the terminal anyway. */
function openBrowser(address: string): void {
  const child = spawn('xdg-open', [address], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
