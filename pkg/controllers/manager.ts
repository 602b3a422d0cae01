/**
 * The controller manager: all controllers over one set of informers, optionally under leader election. All begin together, but one that follows a resource
 * which the server does not serve: it begins once that is served, and holds up nobody. A controller that ends with an error
 * ends the manager: its process starts anew, as upstream's does. Upstream counterpart: `cmd/kube-controller-manager`.
 */
import { setMaxListeners } from 'node:events';
import { childSignal } from '#pkg/base/async.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Informers } from '#pkg/client/informer.ts';
import { type LeaderElectionOptions, runWithLeaderElection } from '#pkg/client/leader-election.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { type Features, featureGatesFlag, featuresOf } from '#pkg/component/feature-gates.ts';
import { type FlagTable, list } from '#pkg/component/flags.ts';
import type { ControllerContext, ControllerOptions, ControllerTable } from './common/controller.ts';
import { accountOf } from './common/controller-accounts.ts';
import { controllerTable } from './table.ts';

/** Which controllers run, over which connection. */
export interface ControllerManagerOptions {
  /** The manager runs the informers: nobody else may. */
  readonly deps: ComponentDeps;
  /** Default: all that there are. */
  readonly table?: ControllerTable;
  /** Names of the table. Default: all. */
  readonly controllers?: readonly string[];
  readonly options?: ControllerOptions;
  /** The connection of a service account in `kube-system`, by its name. Default: all controllers write in the name of the manager. */
  readonly clientOf?: (account: string) => Client;
  /** Values of the controllers' flags, by name; a flag that is not here has its fallback. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Absent: no election, this is the only manager. */
  readonly leaderElect?: Pick<LeaderElectionOptions, 'identity'> &
    Partial<
      Pick<
        LeaderElectionOptions,
        'leaseDurationMs' | 'liveness' | 'name' | 'namespace' | 'renewDeadlineMs' | 'retryPeriodMs'
      >
    >;
}

/** Source: kube-controller-manager `--controllers`. */
const managerFlags = {
  controllers: list({
    help: 'Which controllers run: * for all, a name for one, -name for all but one.',
    fallback: ['*'],
    placeholder: '*,-name',
  }),
  ...featureGatesFlag,
};

/** The flags of the manager and of all controllers of a table. Throws where two have one of the same name. */
export function controllerFlags(table: ControllerTable = controllerTable): FlagTable {
  const owners = new Map<string, string>(Object.keys(managerFlags).map((flag) => [flag, 'the manager']));
  const all: Record<string, FlagTable[string]> = { ...managerFlags };
  for (const [name, entry] of Object.entries(table)) {
    for (const [flag, definition] of Object.entries(typeof entry === 'function' ? {} : entry.flags)) {
      const owner = owners.get(flag);
      if (owner !== undefined)
        throw new Error(`Cannot use the controllers as ${owner} and ${name} both have the flag --${flag}`);
      owners.set(flag, name);
      all[flag] = definition;
    }
  }
  return all;
}

/** The manager. Throws at once for a controller that does not exist, two with one flag, and features that cannot be. */
export function createControllerManager(options: ControllerManagerOptions): Component {
  const { table = controllerTable } = options;
  const names = options.controllers ?? chosen(options.flags?.controllers, table);
  for (const name of names)
    if (!Object.hasOwn(table, name)) throw new Error(`Cannot start controller ${name} as there is none`);
  controllerFlags(table);
  const features = featuresOf(options.flags?.['feature-gates']);
  const runAll = (signal: AbortSignal): Promise<void> => runControllers(options, { names, features }, signal);
  const { leaderElect, deps } = options;
  if (leaderElect === undefined) return { run: runAll };
  const { client, clock, random, log } = deps;
  const lease = { namespace: 'kube-system', name: 'kube-controller-manager' };
  return {
    run: (signal) =>
      runWithLeaderElection({ client, clock, random, log, ...lease, ...leaderElect, run: runAll }, signal),
  };
}

/** What `--controllers` says, in the order of the table, with the names that nobody has at the end. */
function chosen(wish: unknown, table: ControllerTable): readonly string[] {
  const all = Object.keys(table);
  const words = Array.isArray(wish) ? wish.map(String) : ['*'];
  const named = words.map((word) => word.replace(/^-/, ''));
  const isUsual = (name: string): boolean => {
    const entry = table[name];
    return typeof entry !== 'object' || entry.isOnDemand !== true;
  };
  const isOn = (name: string): boolean =>
    !words.includes(`-${name}`) && ((words.includes('*') && isUsual(name)) || words.includes(name));
  return [...all.filter(isOn), ...named.filter((name) => name !== '*' && !all.includes(name))];
}

async function runControllers(
  options: ControllerManagerOptions,
  { names, features }: { readonly names: readonly string[]; readonly features: Features },
  signal: AbortSignal,
): Promise<void> {
  const { deps } = options;
  const { controller: stop, dispose } = childSignal(signal);
  // Every loop and watch listens for the end.
  setMaxListeners(0, stop.signal);
  /** What each controller follows, in the order of `names`. */
  const parts: Informers[] = [];
  const recorders = new Map<string, EventRecorder>();
  const contextOf = (name: string): ControllerContext => {
    const account = accountOf(name);
    const client = account === undefined ? undefined : options.clientOf?.(account);
    const informers = deps.informers.part();
    parts.push(informers);
    const own = client === undefined ? { ...deps, informers } : { ...deps, client, informers };
    const recorder = (component: string): EventRecorder => {
      const known = recorders.get(component) ?? createEventRecorder({ ...own, component, signal: stop.signal });
      recorders.set(component, known);
      return known;
    };
    return { ...own, options: options.options ?? {}, features, recorder };
  };
  const components = names.map((name) => makeController(options, name, contextOf(name)));
  const running = [deps.informers.run(stop.signal)];
  try {
    if (await deps.informers.settled(stop.signal)) {
      deps.log.info('Controllers started', { controllers: names.length });
      running.push(
        ...components.map(async (component, index) => {
          if (await parts[index]?.synced(stop.signal)) await component.run(stop.signal);
        }),
      );
    }
    await Promise.all(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
    await Promise.all([...recorders.values()].map((recorder) => recorder.flush()));
    dispose();
  }
}

function makeController(
  { table = controllerTable, flags = {} }: ControllerManagerOptions,
  name: string,
  context: ControllerContext,
): Component {
  const entry = table[name]!;
  if (typeof entry === 'function') return entry(context);
  const values = Object.entries(entry.flags).map(([flag, { fallback }]) => [
    flag,
    Object.hasOwn(flags, flag) ? flags[flag] : fallback,
  ]);
  return entry.create(context, Object.fromEntries(values));
}
