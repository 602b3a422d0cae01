/**
 * `coxswain up`: starts a cluster in this process, in one behind it (`--detach`) or in five (`--processes`). Running it again says that the
 * cluster runs, or starts what is missing of it.
 *
 * Invariant: when it fails, nothing half-made stays: no process, no context in the kubeconfig, and no data folder that was not there before.
 */

import { UserError } from '#cmd/common/errors.ts';
import { runningProcesses } from '#cmd/common/process-files.ts';
import {
  checkKubeconfig,
  kubeconfigOf,
  mergeKubeconfig,
  readKubeconfig,
  writeKubeconfig,
} from '#pkg/cluster/kubeconfig.ts';
import type { Pki } from '#pkg/cluster/pki.ts';
import { type ClusterSettings, contextName, defaultSettings, nodeNames } from '#pkg/cluster/settings.ts';
import { helpText, parseFlags } from '#pkg/component/flags.ts';
import { freeRanges } from './address-slot.ts';
import { ClusterFolder, type ClusterRecord } from './folder.ts';
import { createSteps } from './terminal.ts';
import { settingsOf, type UpValues, upFlags } from './up-flags.ts';
import { checkName, clustersHome, dataFolder, userKubeconfig, type World } from './world.ts';

/** What one way of starting a cluster is given. */
export interface UpPlan {
  readonly world: World;
  readonly values: UpValues;
  readonly args: readonly string[];
  readonly folder: ClusterFolder;
  readonly settings: ClusterSettings;
  readonly before: ClusterRecord | undefined;
  /** The person's kubeconfig. */
  readonly kubeconfig: string;
}

export async function up(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(upFlags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain up --help")`);
  if (parsed.help) {
    world.write(
      helpText(upFlags, { usage: 'coxswain up [flags]', summary: 'Start a Kubernetes cluster on this machine.' }),
    );
    return 0;
  }
  if (parsed.rest.length > 0) throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain up --help")`);
  const { values } = parsed;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const existed = await folder.exists();
  const before = await folder.read();
  const chosen = settingsOf(values, parsed.given, before?.settings);
  const settings = before === undefined ? { ...chosen, ...(await freeRanges(folder, clustersHome(world))) } : chosen;
  const running = await runningProcesses(folder.run);
  if (running.some((one) => one.name === 'coxswain'))
    return alreadyUp({ world, values, args, folder, settings, before, kubeconfig: '' });

  const kubeconfig = userKubeconfig(world, values.kubeconfig);
  await checkKubeconfig(kubeconfig);
  const plan: UpPlan = { world, values, args, folder, settings, before, kubeconfig };
  try {
    if (values.processes || running.length > 0)
      return await (await import('./up-processes.ts')).upProcesses(plan, running);
    if (values.detach) return await (await import('./up-detached.ts')).upDetached(plan);
    return await (await import('./up-foreground.ts')).upForeground(plan);
  } catch (error) {
    const left = await runningProcesses(folder.run);
    if (!existed && left.length === 0) await folder.remove();
    throw error;
  }
}

function alreadyUp(plan: UpPlan): number {
  const { world, values, folder, before } = plan;
  if (values.output === 'json') printResult(plan, { ...before!, settings: plan.settings });
  else {
    world.write(
      `The cluster "${plan.settings.name}" already runs${before?.server === undefined ? '' : ` at ${before.server}`}.\n`,
    );
    world.write(`Kubeconfig: ${before?.userKubeconfig ?? folder.kubeconfig}\n`);
  }
  return 0;
}

/** Writes the cluster's own kubeconfig, merges its context into the person's, and remembers both. */
export async function publishKubeconfig(
  plan: UpPlan,
  cluster: { readonly server: string; readonly pki: Pki },
): Promise<ClusterRecord> {
  const { folder, kubeconfig, settings } = plan;
  const entry = {
    name: contextName(settings),
    server: cluster.server,
    authority: cluster.pki.authority.certificate,
    client: cluster.pki.identities.get('admin')!,
  };
  await writeKubeconfig(folder.kubeconfig, kubeconfigOf(entry));
  const current = (await readKubeconfig(kubeconfig))?.['current-context'];
  const previous = current === entry.name ? plan.before?.previousContext : current;
  const record: ClusterRecord = {
    settings,
    userKubeconfig: kubeconfig,
    server: cluster.server,
    ...(typeof previous === 'string' && previous !== '' ? { previousContext: previous } : {}),
  };
  await folder.write(record);
  await mergeKubeconfig(kubeconfig, entry);
  return record;
}

/** The last lines of a successful start: for programs one JSON object, for people where things are and what to do next. */
export function printResult(plan: UpPlan, record: ClusterRecord): void {
  const { world, settings, folder, values } = plan;
  const context = contextName(settings);
  if (values.output === 'json') {
    const result = {
      name: settings.name,
      server: record.server,
      kubeconfig: folder.kubeconfig,
      mergedInto: record.userKubeconfig,
      context,
      dataDir: folder.path,
      nodes: nodeNames(settings),
    };
    world.write(`${JSON.stringify(result, undefined, 2)}\n`);
    return;
  }
  const flag = findFlags(plan);
  const lines = [
    '',
    `Cluster "${settings.name}" is ready at ${record.server}`,
    `Kubeconfig: ${record.userKubeconfig} (context ${context}); on its own: ${folder.kubeconfig}`,
    '',
    '  kubectl get nodes                            (or: npx coxswain kubectl get nodes)',
    '  kubectl apply -f manifests/guestbook.yaml',
    `  npx coxswain status${flag}`,
    `  npx coxswain down${flag}`,
    '',
  ];
  world.write(`${lines.join('\n')}\n`);
}

/** The flags by which another command finds this cluster, with a space before them; none when the defaults do. */
export function findFlags({ settings, values, folder }: UpPlan): string {
  if (values['data-dir'] !== '') return ` --data-dir ${folder.path}`;
  return settings.name === defaultSettings.name ? '' : ` --name ${settings.name}`;
}

/** Steps as `up` shows them: none when the result is for a program. */
export function stepsOf(plan: UpPlan) {
  return createSteps(plan.world, { quiet: plan.values.output === 'json' || plan.values['report-to-parent'] });
}
