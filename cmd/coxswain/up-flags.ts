/** The flags of `coxswain up`, and the settings of a cluster that follow from them and from what it was started with before. */

import { resolve } from 'node:path';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { containersProblem } from '#pkg/cluster/containers.ts';
import { criEndpointOf } from '#pkg/cluster/cri-endpoint.ts';
import { networkTable } from '#pkg/cluster/networks.ts';
import { ociRuntimesOf } from '#pkg/cluster/oci-runtimes.ts';
import { runtimeProblem, runtimesOf, runtimeTable } from '#pkg/cluster/runtimes.ts';
import { schedulings } from '#pkg/cluster/scheduler-flags.ts';
import {
  type ClusterSettings,
  controlPlanesMax,
  defaultSettings,
  nodesMax,
  nodesProblem,
  timeProblem,
} from '#pkg/cluster/settings.ts';
import { isSharedStore } from '#pkg/cluster/store.ts';
import { etcdFilesProblem, storeDriverOf, storeNames } from '#pkg/cluster/stores.ts';
import {
  duration,
  type FlagTable,
  type FlagValues,
  integer,
  list,
  repeated,
  text,
  toggle,
} from '#pkg/component/flags.ts';
import { logLevels } from '#pkg/component/logger.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type ClusterFile, fileFieldOf, haveOtherNodes } from './cluster-file/cluster-file.ts';
import { changedFields } from './cluster-file/component-fields.ts';
import { clusterFlags } from './cluster-flags.ts';

/** `component.flag=value`. */
export const extraConfig = /^([a-z0-9-]+)\.([a-z0-9-]+)=(.*)$/s;

/** The table; hidden flags are for tests and for the process behind the terminal. */
export const upFlags = {
  ...clusterFlags,
  config: text({
    help: 'A cluster file (docs/cluster-file.md), or a YAML file with these flags as fields and those of components under "components"; the command line comes first.',
    placeholder: 'file',
  }),
  'extra-config': repeated({
    help: 'A flag of one component, such as kube-controller-manager.node-monitor-grace-period=20s; may be given again.',
    placeholder: 'component.flag=value',
    problem: (value) => (extraConfig.test(value) ? undefined : 'must be component.flag=value'),
  }),
  nodes: integer({ help: 'How many nodes.', fallback: defaultSettings.nodes, min: 1, max: nodesMax }),
  runtime: text({
    help: 'How pods run: names with commas between them, the first for pods without a RuntimeClass.',
    fallback: defaultSettings.runtime,
    placeholder: Object.keys(runtimeTable).join('|'),
  }),
  store: text({
    help: 'Where the API server keeps its data: lmdb, memory, or addresses of etcd members, with a path where clusters share an etcd.',
    fallback: defaultSettings.store,
    placeholder: storeNames(),
  }),
  'etcd-cafile': text({
    help: 'For an etcd at https://: PEM file of its authority. Default: those that Node trusts.',
    placeholder: 'file',
  }),
  'etcd-certfile': text({ help: 'PEM file of the certificate to show to etcd.', placeholder: 'file' }),
  'etcd-keyfile': text({ help: 'PEM file of its key.', placeholder: 'file' }),
  'etcd-username': text({ help: 'User of an etcd that has users.', placeholder: 'name' }),
  'etcd-password-file': text({ help: 'File with its password.', placeholder: 'file' }),
  'encryption-provider-config': text({
    help: 'What the store has unreadable, and by which keys: an EncryptionConfiguration. As --extra-config of the API server.',
    placeholder: 'file',
  }),
  scheduling: text({
    help: 'How pods are laid out: onto few nodes (the default), or over many as Kubernetes does. As --extra-config of the scheduler.',
    allowed: ['', ...schedulings],
    placeholder: schedulings.join('|'),
  }),
  'scheduler-config': text({
    help: 'A KubeSchedulerConfiguration file with profiles and extenders. As --extra-config of the scheduler.',
    placeholder: 'file',
  }),
  'cri-socket': text({
    help: 'Socket of the container runtime that --runtime cri asks. As --extra-config of the kubelet.',
    placeholder: 'file',
  }),
  'oci-runtime': text({
    help: 'Program that makes containers for --runtime container; others after it, with commas, are for RuntimeClasses. As --extra-config of the kubelet.',
    placeholder: 'program',
  }),
  network: text({
    help: 'How pods are reached.',
    fallback: defaultSettings.network,
    placeholder: Object.keys(networkTable).join('|'),
  }),
  addons: list({
    help: 'Addons that are enabled once the cluster is ready; "coxswain addon list" has them.',
    placeholder: 'NAME,NAME',
  }),
  kubeconfig: text({
    help: 'Kubeconfig that the context is merged into. Default: $KUBECONFIG, then ~/.kube/config.',
    placeholder: 'file',
  }),
  'api-port': integer({
    help: `Port of the API server on 127.0.0.1. Default, and 0: ${defaultSettings.apiPort} or another free one, and that from then on.`,
    fallback: 0,
    fallbackShown: false,
    max: 65_535,
  }),
  'virtual-time': toggle({
    help: 'Let the cluster’s time be steered by "coxswain time"; its pods are simulated and its store is in memory.',
  }),
  processes: toggle({ help: 'Run each component as a process of its own.' }),
  'control-planes': integer({
    help: 'How many API servers, schedulers and controller managers, with --processes and an etcd.',
    fallback: 1,
    min: 1,
    max: controlPlanesMax,
  }),
  renumber: toggle({ help: 'Give a cluster that exists other addresses, where another has the ones it had.' }),
  detach: toggle({ help: 'Return once the nodes are ready; the cluster goes on.' }),
  wait: duration({ help: 'Longest wait for the nodes to be ready.', fallback: 60_000 }),
  output: text({ help: 'Form of the result.', short: 'o', allowed: ['', 'json'], placeholder: 'json' }),
  'log-level': text({ help: 'Least level that is logged.', fallback: 'warn', allowed: logLevels }),
  'trace-startup': toggle({ help: 'Say when each part of the start was done.', hidden: true }),
  'report-to-parent': toggle({ help: 'Report progress over the channel to the parent process.', hidden: true }),
} satisfies FlagTable;

/** The value of every flag. */
export type UpValues = FlagValues<typeof upFlags>;

/** Flags that say what a cluster is made of, and the settings they set. */
const settingOfFlag = {
  nodes: 'nodes',
  runtime: 'runtime',
  store: 'store',
  network: 'network',
  'api-port': 'apiPort',
  'control-planes': 'controlPlanes',
  'virtual-time': 'virtualTime',
  'etcd-cafile': 'etcdCafile',
  'etcd-certfile': 'etcdCertfile',
  'etcd-keyfile': 'etcdKeyfile',
  'etcd-username': 'etcdUsername',
  'etcd-password-file': 'etcdPasswordFile',
} as const;

/** Settings that are files: absolute, as the next start may be in another folder, and absent where none is named. */
const fileSettings: ReadonlySet<string> = new Set(['etcdCafile', 'etcdCertfile', 'etcdKeyfile', 'etcdPasswordFile']);

/** Settings that are absent where nothing is named, or one of something is. */
const optionalSettings: ReadonlySet<string> = new Set([
  ...fileSettings,
  'etcdUsername',
  'controlPlanes',
  'virtualTime',
]);

/**
 * The settings to start with: what the command line names, else what the cluster had before, else the defaults. The API server's port is 0 where
 * it is still to be chosen.
 */
export function settingsOf(
  values: UpValues,
  given: ReadonlySet<string>,
  before: ClusterSettings | undefined,
): ClusterSettings {
  const { runtime, network } = values;
  const noRuntime = runtimeProblem(runtime);
  if (noRuntime !== undefined) throw new UserError(`invalid value "${runtime}" for --runtime: ${noRuntime}`);
  if (!Object.hasOwn(networkTable, network))
    throw new UserError(`invalid value "${network}" for --network: must be ${oneOf(Object.keys(networkTable))}`);
  if (storeDriverOf(values.store) === undefined) {
    throw new UserError(
      `invalid value "${values.store}" for --store: must be lmdb, memory, or http(s) addresses of etcd members with commas between them, all with the same path if any`,
    );
  }
  if (before !== undefined && given.has('name') && before.name !== values.name) {
    throw new UserError(
      `Cannot use this data folder for "${values.name}" as it is that of the cluster "${before.name}": name another folder with --data-dir, or start it by its own name (a copy with --name ${before.name} --renumber)`,
    );
  }
  const settings: Record<string, unknown> = { ...defaultSettings, name: values.name, ...before };
  for (const [flag, setting] of Object.entries(settingOfFlag)) {
    if (before !== undefined && !given.has(flag)) continue;
    const value = values[flag as keyof typeof settingOfFlag];
    if (optionalSettings.has(setting) && (value === '' || value === 1 || value === false)) delete settings[setting];
    else settings[setting] = fileSettings.has(setting) ? resolve(String(value)) : value;
  }
  if (settings.virtualTime === true && before === undefined) {
    if (!given.has('runtime')) settings.runtime = 'fake';
    if (!given.has('store')) settings.store = 'memory';
  }
  // Any free port is the one that it has.
  if (before !== undefined && settings.apiPort === 0) settings.apiPort = before.apiPort;
  const result = settings as unknown as ClusterSettings;
  if (before !== undefined && before.store !== result.store) {
    throw new UserError(
      `Cannot use --store ${result.store} as this cluster keeps its data in ${before.store}: leave the flag out, or name another cluster with --name`,
    );
  }
  const noTls = etcdFilesProblem(result.store, result);
  if (noTls !== undefined) throw new UserError(`Cannot use the flags --etcd-* as given: ${noTls}`);
  const controlPlanes = result.controlPlanes ?? 1;
  if (controlPlanes > 1 && !(values.processes && isSharedStore(result.store))) {
    throw new UserError(
      `Cannot have --control-planes ${controlPlanes} in one process, or on a store that one process has: give --processes and --store with the addresses of an etcd`,
    );
  }
  const unsteered = result.virtualTime && values.processes ? 'processes have clocks of their own' : timeProblem(result);
  if (unsteered !== undefined) throw new UserError(`Cannot have --virtual-time as ${unsteered}`);
  checkNetwork(result, before);
  const problem = nodesProblem(result);
  if (problem !== undefined) throw new UserError(`Cannot have --nodes ${result.nodes} as ${problem}`);
  return result;
}

/** Says what the machine lacks before anything starts. */
export async function refuseMachine({ network, runtime, componentFlags }: ClusterSettings): Promise<void> {
  const names = runtimesOf(runtime);
  const problem =
    (names.includes('container') ? containersProblem(ociRuntimesOf(componentFlags)) : undefined) ??
    (names.includes('cri')
      ? await (await import('#pkg/cluster/cri.ts')).criProblem(criEndpointOf(componentFlags))
      : undefined);
  if (problem !== undefined) throw new UserError(`Cannot use --runtime ${runtime} as ${problem}`);
  const noNetwork = networkTable[network]?.kernel?.problem();
  if (noNetwork !== undefined) throw new UserError(`Cannot use --network ${network} as ${noNetwork}`);
}

/** Throws for a network that the cluster's other parts do not go with. */
function checkNetwork(settings: ClusterSettings, before: ClusterSettings | undefined): void {
  const { network, runtime } = settings;
  if (before !== undefined && before.network !== network)
    throw new UserError(
      `Cannot use --network ${network} as the addresses of this cluster are those of ${before.network}: leave the flag out, or name another cluster with --name`,
    );
  if (networkTable[network]?.kernel === undefined) return;
  const sharing = runtimesOf(runtime).find((name) => runtimeTable[name]?.sharesNetwork === true);
  if (sharing !== undefined)
    throw new UserError(
      `Cannot use the runtime ${sharing} on the network ${network} as its pods have no network namespaces: name another with --runtime`,
    );
}

function oneOf([first = '', ...more]: readonly string[]): string {
  return more.length === 0 ? first : `one of ${[first, ...more].join(', ')}`;
}

/** What a cluster runs with, as far as it is known. */
export interface RunningWith {
  readonly settings: ClusterSettings;
  readonly userKubeconfig?: string | undefined;
  readonly logLevel?: string | undefined;
  /** Whether each component is a process of its own. */
  readonly processes: boolean;
}

/** Throws when the command line, or a cluster file, asks of a running cluster what it is not and cannot become. */
export function refuseChanges(
  wanted: Parameters<typeof changedFlags>[0] & { readonly file: ClusterFile | undefined },
  running: RunningWith,
): void {
  const { file } = wanted;
  const changed = changedFlags(wanted, running);
  if (changed.length === 0) return;
  const { componentFlags } = wanted.settings;
  const fieldsOf = (flag: string): readonly string[] =>
    flag === 'extra-config' ? changedFields(componentFlags, running.settings.componentFlags) : [fileFieldOf(flag)];
  const names = changed.flatMap((flag) => (file === undefined ? [`--${flag}`] : fieldsOf(flag)));
  const it = `${names.length === 1 ? (file === undefined ? 'the flag' : 'the field') : file === undefined ? 'the flags' : 'the fields'} out`;
  throw new UserError(
    `Cannot change ${names.join(' and ')} of the cluster "${running.settings.name}" while it runs: stop it with "coxswain down" first, or leave ${it}`,
  );
}

/** The flags that ask of a running cluster what it is not, and that it cannot become. */
export function changedFlags(
  wanted: { readonly settings: ClusterSettings; readonly values: UpValues; readonly given: ReadonlySet<string> },
  running: RunningWith,
): readonly string[] {
  const { settings, values, given } = wanted;
  const changed: string[] = Object.entries(settingOfFlag)
    .filter(([, setting]) => settings[setting] !== running.settings[setting])
    .map(([flag]) => flag);
  const differs = (flag: keyof UpValues, now: unknown, has: unknown): boolean =>
    given.has(flag) && has !== undefined && now !== has;
  if (differs('kubeconfig', resolve(values.kubeconfig), running.userKubeconfig)) changed.push('kubeconfig');
  if (differs('processes', values.processes, running.processes)) changed.push('processes');
  if (!changed.includes('nodes') && haveOtherNodes(settings, running.settings)) changed.push('nodes');
  if (!deepEqual(settings.componentFlags, running.settings.componentFlags)) changed.push('extra-config');
  if (values.renumber) changed.push('renumber');
  if (differs('log-level', values['log-level'], running.logLevel)) changed.push('log-level');
  return changed;
}
