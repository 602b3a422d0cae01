/**
 * `coxswain up`: starts a cluster in this process, in one behind it (`--detach`) or in five (`--processes`). Running it again says that the
 * cluster runs, or starts what is missing of it.
 *
 * Invariant: when it fails, nothing half-made stays: no process, no context in the kubeconfig, and no data folder that was not there before.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { explain } from '#cmd/common/errors.ts';
import { type ProcessRecord, runningProcesses } from '#cmd/common/process-files.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import {
  checkKubeconfig,
  entryIn,
  kubeconfigOf,
  mergeKubeconfig,
  readKubeconfig,
  writeKubeconfig,
} from '#pkg/cluster/kubeconfig.ts';
import type { Pki } from '#pkg/cluster/pki.ts';
import { type ClusterSettings, contextName, defaultSettings, nodeNames, storeOf } from '#pkg/cluster/settings.ts';
import { storeDriverOf } from '#pkg/cluster/stores.ts';
import { helpText } from '#pkg/component/flags.ts';
import { makeFolder } from '#pkg/component/make-folder.ts';
import { stopSignals } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import {
  checkRanges,
  chooseApiPort,
  clusterWithAddresses,
  type Neighbourhood,
  type Reservation,
  reserveAddresses,
  reserveFreeAddresses,
} from './address-slot.ts';
import { Beginning, settledProcesses } from './beginning.ts';
import { chosenBy } from './chosen.ts';
import type { KeptFile } from './cluster-file/cluster-file.ts';
import { clusterRegistry } from './cluster-registry.ts';
import { ClusterFolder, type ClusterRecord } from './folder.ts';
import { supervisorName } from './process-names.ts';
import { createSteps } from './terminal.ts';
import { readUpArguments } from './up-arguments.ts';
import { refuseChanges, refuseMachine, type UpValues, upFlags } from './up-flags.ts';
import { lockForUp, type UpLock } from './up-lock.ts';
import { checkName, clustersHome, dataFolder, userKubeconfig, type World } from './world.ts';

/** Longest wait for another cluster of the same name to answer. */
const answerMsMax = 2_000;

/** What one way of starting a cluster is given. */
export interface UpPlan {
  readonly world: World;
  readonly values: UpValues;
  readonly args: readonly string[];
  readonly folder: ClusterFolder;
  readonly settings: ClusterSettings;
  readonly before: ClusterRecord | undefined;
  /** What a cluster file says, now or at the start before, beside the settings. */
  readonly kept: KeptFile | undefined;
  /** Whether the cluster is to become what the file says, as there is a new one or the store has nothing. */
  readonly follows: boolean;
  /** The person's kubeconfig. */
  readonly kubeconfig: string;
  /** Aborted, with the error that says so, by Ctrl-C or a request to end: what waits for the start heeds it. */
  readonly interrupted: AbortSignal;
  /** Called once the cluster is ready: from then on a failure leaves its data. */
  onReady(): void;
}

/** Runs the command; resolves to its exit code. Throws `UserError`, or what the system says, when there is no cluster afterwards. */
export async function up(world: World, args: readonly string[]): Promise<number> {
  const said = await readUpArguments(args);
  const { given, file } = said;
  if (said.help) {
    world.write(
      helpText(upFlags, { usage: 'coxswain up [flags]', summary: 'Start a Kubernetes cluster on this machine.' }),
    );
    return 0;
  }
  checkName(said.values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: said.values.name, dataDir: said.values['data-dir'] }));
  using interruption = heedInterruption();
  const interrupted = interruption.signal;
  // A detached process starts under the lock of the one that started it.
  using lock = said.values['report-to-parent']
    ? undefined
    : await waitForOtherUp(world, { folder, values: said.values, interrupted });
  await folder.checkOwner();
  const before = await folder.read();
  const { values, settings: chosen, kept: keptFile, follows } = chosenBy(said, before);
  await refuseMachine(chosen);
  const running = await settledProcesses(world, folder, values.wait);
  const ways = { kubeconfig: '', kept: keptFile, follows, onReady() {} };
  const base = { world, values, args, folder, before, interrupted, ...ways };
  if (running.length > 0 && before !== undefined)
    refuseChanges({ settings: chosen, values, given, file }, { ...before, processes: !isOneProcess(running) });
  await checkAddons({ ...base, settings: chosen });
  if (isOneProcess(running)) return alreadyUp({ ...base, settings: chosen });

  const isSupervised = running.some((one) => one.name === supervisorName);
  // A cluster whose processes run without one that looks after them is given one behind the terminal, as it had.
  const isDetached = (values.detach || running.length > 0) && !values['report-to-parent'] && !isSupervised;
  // Whoever starts the processes reserves the addresses: that is not the one that only waits for a detached process.
  const starts = !isDetached;
  const registry = await clusterRegistry(world);
  const near = { folder, registry, homeFolder: clustersHome(world) };
  const kept = values.renumber ? undefined : before?.settings;
  using reservation = starts && running.length === 0 ? await reserve(near, kept, chosen.network) : undefined;
  const addressed = { ...chosen, ...(kept === undefined ? reservation?.addresses : undefined), ...file?.ranges };
  if (reservation !== undefined && kept === undefined) await checkRanges(near, addressed, file?.ranges);
  const isPortOpen = addressed.apiPort === 0 || (values.renumber && !given.has('api-port'));
  const apiPort = starts && isPortOpen ? await chooseApiPort(near, addressed) : addressed.apiPort;
  const settings = { ...addressed, apiPort };

  const kubeconfig = userKubeconfig(world, values.kubeconfig);
  await checkKubeconfig(kubeconfig);
  await checkContext(folder, kubeconfig, contextName(settings));
  const beginning = await Beginning.of(folder);
  await beginning.checkSpace();
  const onReady = (): void => {
    beginning.succeeded();
    reservation?.[Symbol.dispose]();
    lock?.[Symbol.dispose]();
  };
  const plan: UpPlan = { ...base, settings, kubeconfig, onReady };
  try {
    await makeFolder(folder.path);
    if (starts && before === undefined) await checkNewStore(plan);
    if (starts && before !== undefined && (values.renumber || before.renumberFrom !== undefined))
      await renumber(plan, before);
    if (isDetached) return await (await import('./up-detached.ts')).upDetached(plan);
    if (values.processes || running.length > 0)
      return await (await import('./up-processes.ts')).upProcesses(plan, running);
    return await (await import('./up-foreground.ts')).upForeground(plan);
  } catch (error) {
    // A detached process leaves tidying up to the one that started it.
    if (!values['report-to-parent'] && (await runningProcesses(folder.run)).length === 0) await beginning.undo();
    throw error;
  }
}

/** Takes the lock of the cluster's start, when another start has it once that has ended. */
async function waitForOtherUp(
  world: World,
  start: { readonly folder: ClusterFolder; readonly values: UpValues; readonly interrupted: AbortSignal },
): Promise<UpLock> {
  const { folder, values, interrupted } = start;
  const late = AbortSignal.timeout(Math.max(values.wait, 1));
  const quiet = values.output === 'json';
  try {
    return await lockForUp(folder.path, {
      onWait: () =>
        world.writeError(quiet ? '' : 'Another "coxswain up" of this cluster is under way: waiting for it\n'),
      signal: AbortSignal.any([interrupted, late]),
    });
  } catch (error) {
    if (!late.aborted || interrupted.aborted) throw error;
    throw new UserError(
      `Cannot start the cluster in ${folder.path} as another "coxswain up" has not ended within ${values.wait / 1000} s: wait for it, or end it with Ctrl-C`,
      error,
    );
  }
}

function isOneProcess(running: readonly ProcessRecord[]): boolean {
  return running.some((one) => one.name === 'coxswain');
}

/** Keeps Ctrl-C and requests to end from ending this process at once, so that it can tidy up. */
function heedInterruption(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new UserError('Stopped before the cluster was ready'));
  for (const signal of stopSignals) process.on(signal, interrupt);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const signal of stopSignals) process.off(signal, interrupt);
    },
  };
}

/** The addresses of a cluster that is about to start: new ones, or those it had before, which another process may have reserved meanwhile. */
async function reserve(
  near: Neighbourhood,
  before: ClusterSettings | undefined,
  network: string,
): Promise<Reservation | undefined> {
  if (before === undefined) return reserveFreeAddresses(near, network);
  const other = await clusterWithAddresses(near, before);
  if (other !== undefined) {
    throw new UserError(
      `Cannot start the cluster "${before.name}" as its addresses (${before.serviceCidr}, ${before.podCidr}, ${before.nodeAddress}) are those of the cluster "${other.settings.name}" in ${other.folder}: give this one others with "coxswain up --renumber --data-dir ${near.folder.path}", or remove that one with "coxswain down --delete-data --data-dir ${other.folder}"`,
    );
  }
  return reserveAddresses(before);
}

/**
 * Moves what the store says to the addresses of the plan. That it is under way is noted first, so that a start after a crash finishes it; the
 * record of a cluster that runs says nothing of it any more.
 */
async function renumber(plan: UpPlan, before: ClusterRecord): Promise<void> {
  const { world, folder, settings } = plan;
  const { nodeAddress, podCidr, serviceCidr } = before.settings;
  const { checkRenumber, renumberStore } = await import('#pkg/cluster/renumber.ts');
  const origins = [...(before.renumberFrom ?? []), { nodeAddress, podCidr, serviceCidr }];
  for (const from of origins) checkRenumber(from, settings);
  await folder.write({ ...before, settings, renumberFrom: origins });
  if (storeDriverOf(settings.store)?.where({ store: settings.store, folder: folder.path }) === undefined) return;
  const [{ openStore }, { silentLogger }, { encryptionOf, serverFlagValues }] = await Promise.all([
    import('#pkg/cluster/store.ts'),
    import('#pkg/base/logger.ts'),
    import('#pkg/cluster/server-flags.ts'),
  ]);
  const { clock, random } = world;
  const encryption = encryptionOf(serverFlagValues(settings.componentFlags));
  const place = { ...storeOf(settings), folder: folder.path, clock, random, log: silentLogger, encryption };
  const store = await openStore(place);
  try {
    for (const from of origins) await renumberStore(store, from, settings);
  } finally {
    await store.close();
  }
}

/** Refuses to make a new cluster of what is another one's. */
async function checkNewStore({ world, folder, settings }: UpPlan): Promise<void> {
  const { checkStoreFree, isSharedStore } = await import('#pkg/cluster/store.ts');
  if (!isSharedStore(settings.store)) return;
  const { silentLogger } = await import('#pkg/base/logger.ts');
  const { clock, random } = world;
  await checkStoreFree({ ...storeOf(settings), folder: folder.path, clock, random, log: silentLogger });
}

/** Refuses to take the context's name from another cluster that runs. What is left of one that does not may be replaced. */
async function checkContext(folder: ClusterFolder, kubeconfig: string, name: string): Promise<void> {
  const there = entryIn((await readKubeconfig(kubeconfig)) ?? {}, name);
  if (there === undefined) return;
  const own = await readFile(join(folder.pki, 'ca.crt'), 'utf8').catch(() => undefined);
  if (there.authority === own) return;
  const { networkTransport } = await import('#pkg/client/network-transport.ts');
  const transport = networkTransport({ server: there.server, ca: there.authority });
  const question = { method: 'GET', path: '/livez', query: '', headers: {}, peer: { address: '' } } as const;
  const answers = await transport.request({ ...question, signal: AbortSignal.timeout(answerMsMax) }).then(
    () => true,
    () => false,
  );
  await transport.close();
  if (!answers) return;
  throw new UserError(
    `Cannot add the context ${name} to ${kubeconfig} as it is that of another cluster, which runs at ${there.server}: name this one with --name, or another file with --kubeconfig`,
  );
}

async function alreadyUp(plan: UpPlan): Promise<number> {
  const { world, values, folder, before } = plan;
  if (values.output === 'json' && before !== undefined) printResult({ ...plan, settings: before.settings }, before);
  else {
    world.write(
      `The cluster "${plan.settings.name}" already runs${before?.server === undefined ? '' : ` at ${before.server}`}.\n`,
    );
    world.write(`Kubeconfig: ${before?.userKubeconfig ?? folder.kubeconfig}\n`);
  }
  const { nodeSpecs } = plan.settings;
  await enableAddons({
    ...plan,
    settings: { ...(before?.settings ?? plan.settings), ...(nodeSpecs === undefined ? {} : { nodeSpecs }) },
  });
  return 0;
}

/** Refuses addons that cannot be in the cluster, before anything of it starts. */
async function checkAddons(plan: UpPlan): Promise<void> {
  if (plan.values.addons.length > 0) await (await import('./up-addons.ts')).checkAddons(plan);
}

/** As `enableAddons`, for a process that is the cluster and goes on whatever becomes of them. */
export async function addonsBeside(plan: UpPlan): Promise<void> {
  try {
    await enableAddons(plan);
  } catch (error) {
    plan.world.writeError(`coxswain: ${explain(error)}\n`);
  }
}

/** Does what the cluster file says and enables what `--addons` names, once the cluster is ready. */
export async function enableAddons(plan: UpPlan): Promise<void> {
  if (plan.follows && (plan.kept ?? plan.settings.nodeSpecs) !== undefined)
    await (await import('./cluster-file/follow.ts')).followFile(plan);
  if (plan.values.addons.length > 0) await (await import('./up-addons.ts')).enableNamed(plan);
}

/** Writes the cluster's own kubeconfig, merges its context into the person's, and remembers both. */
export async function publishKubeconfig(
  plan: UpPlan,
  cluster: { readonly server: string; readonly pki: Pki; readonly dashboard?: string },
): Promise<ClusterRecord> {
  const { folder, kubeconfig, settings } = plan;
  const entry = {
    name: contextName(settings),
    server: cluster.server,
    authority: cluster.pki.authority.certificate,
    client: cluster.pki.identities.get('admin')!,
    ...(plan.before?.context === undefined ? {} : { context: plan.before.context }),
  };
  await writeKubeconfig(folder.kubeconfig, kubeconfigOf(entry));
  const config = await readKubeconfig(kubeconfig);
  const current = config?.['current-context'];
  const wasMade = plan.before?.madeKubeconfig === true && plan.before.userKubeconfig === kubeconfig;
  const previous = current === entry.name ? plan.before?.previousContext : current;
  const record: ClusterRecord = {
    settings,
    ...(plan.kept === undefined ? {} : { file: plan.kept }),
    userKubeconfig: kubeconfig,
    ...(config === undefined || wasMade ? { madeKubeconfig: true } : {}),
    server: cluster.server,
    ...(cluster.dashboard === undefined ? {} : { dashboard: cluster.dashboard }),
    logLevel: plan.values['log-level'],
    ...(plan.before?.context === undefined ? {} : { context: plan.before.context }),
    ...(typeof previous === 'string' && previous !== '' ? { previousContext: previous } : {}),
  };
  await folder.write(record);
  await mergeKubeconfig(kubeconfig, entry);
  await register(plan);
  return record;
}

/** Notes the cluster among those of the machine. Where that cannot be, its addresses are its own only while it runs. */
async function register({ world, folder, settings }: UpPlan): Promise<void> {
  const registry = await clusterRegistry(world);
  try {
    await registry.add(folder.path, settings);
  } catch (error) {
    const code = errorCode(error);
    world.writeError(
      `Cannot note the cluster in ${registry.path} (${code}): another one may take its addresses while it does not run\n`,
    );
  }
}

/** The last lines of a successful start: for programs one JSON object, for people where things are and what to do next. */
export function printResult(plan: UpPlan, record: ClusterRecord): void {
  const { world, settings, folder, values } = plan;
  const context = contextName(settings);
  if (values.output === 'json') {
    const result = {
      name: settings.name,
      server: record.server,
      ...(record.dashboard === undefined ? {} : { dashboard: record.dashboard }),
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
    ...(record.dashboard === undefined
      ? []
      : [`Dashboard: ${record.dashboard} (its code: npx coxswain dashboard --code${flag})`]),
    ...(record.settings.nodeAddress === defaultSettings.nodeAddress
      ? []
      : [`Node ports answer at ${record.settings.nodeAddress}`]),
    '',
    '  kubectl get nodes                            (or: npx coxswain kubectl get nodes)',
    '  kubectl apply -f manifests/guestbook.yaml',
    ...(record.dashboard === undefined ? [`  npx coxswain dashboard${flag}`] : []),
    `  npx coxswain status${flag}`,
    `  npx coxswain down${flag}`,
    '',
  ];
  world.write(`${lines.join('\n')}\n`);
}

/** The flags by which another command finds this cluster, with a space before them; none when the defaults do. */
function findFlags({ settings, values, folder }: UpPlan): string {
  if (values['data-dir'] !== '') return ` --data-dir ${folder.path}`;
  return settings.name === defaultSettings.name ? '' : ` --name ${settings.name}`;
}

/** Steps as `up` shows them: none when the result is for a program. */
export function stepsOf(plan: UpPlan) {
  const quiet = plan.values.output === 'json' || plan.values['report-to-parent'];
  return createSteps(plan.world, { quiet, interrupted: plan.interrupted });
}
