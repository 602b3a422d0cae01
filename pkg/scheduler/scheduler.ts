/**
 * The scheduler as a component: its plugins, profiles and extenders, made anew for each run (`scheduler-run.ts`), of which there is one while it leads.
 * Upstream counterpart: kube-scheduler `scheduler.go`.
 */
import { podGroups } from '#pkg/api/types/refs.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { defaultConfiguration, type SchedulerConfiguration, withIgnoredResources } from './config/configuration.ts';
import { type CallExtender, Extender } from './extender/extender.ts';
import type { PluginEntry, Scheduling } from './framework/plugin-context.ts';
import { type PluginSources, pluginSources } from './plugin-sources.ts';
import { pluginTable } from './plugin-table.ts';
import { SchedulerRun } from './scheduler-run.ts';

/** What a scheduler is given, and how it differs from the default one. */
export interface SchedulerOptions {
  readonly deps: ComponentDeps;
  /** The plugins that there are. Default: Coxswain's. */
  readonly plugins?: readonly PluginEntry[];
  /** By which way pods are scheduled where a configuration does not say otherwise. Default: `packing`. */
  readonly scheduling?: Scheduling;
  /** Default: one profile of all plugins, for the pods that name no other scheduler. */
  readonly configuration?: SchedulerConfiguration;
  /** Whether pods of a gang are scheduled as a whole, which needs an API server that has pod groups. Default: they are scheduled one by one. */
  readonly hasGangs?: boolean;
  /** Whether DeviceTaintRules taint devices, which needs an API server that has them. Default: only their drivers do. */
  readonly hasTaintRules?: boolean;
  /** How extenders are reached. Default: a configuration may have none. */
  readonly callExtender?: CallExtender;
}

/** The scheduler as a component. Its informers are those of `deps`, which the composition runs. Throws `UserError` for a configuration that is no profile. */
export function createScheduler(options: SchedulerOptions): Component {
  const {
    deps,
    plugins: table = pluginTable,
    scheduling = 'packing',
    hasGangs = false,
    hasTaintRules = false,
  } = options;
  const { configuration: given = defaultConfiguration, callExtender: call } = options;
  const configuration = withIgnoredResources(given);
  if (configuration.extenders.length > 0 && call === undefined)
    throw new UserError('Cannot use a scheduler configuration with extenders as there is no way to reach them here');
  const extenders = configuration.extenders.flatMap((spec) =>
    call === undefined ? [] : [new Extender({ spec, call, clock: deps.clock })],
  );
  const { profiles } = configuration;
  const sourcesOf = (): PluginSources => pluginSources(deps, { table, scheduling, hasTaintRules, profiles });
  // Made at once to refuse what is no profile, and so that whoever waits to lead reads what the plugins do; each run has plugins of its own.
  sourcesOf();
  if (hasGangs) deps.informers.informer(podGroups);
  return {
    run: (signal) => new SchedulerRun({ deps, sources: sourcesOf(), configuration, extenders, hasGangs, signal }).run(),
  };
}
