/** What a scheduler has for each of its profiles: how it decides, and in whose name it speaks. */
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { NodeTable } from './cache/node-table.ts';
import type { Nominator } from './cache/nominator.ts';
import { FailureReporter } from './failure-report.ts';
import type { Cycle } from './framework/cycle.ts';
import { Decider } from './framework/decide.ts';
import type { EventRegistration } from './framework/events.ts';
import { explain } from './framework/explain.ts';
import { explanationTextOf } from './framework/explanation-text.ts';
import type { Profile } from './framework/profile.ts';
import { SchedulerMetrics } from './scheduler-metrics.ts';

/** One profile at work. */
export interface ProfileRun {
  /** By which pods choose it. */
  readonly schedulerName: string;
  readonly profile: Profile;
  readonly decider: Decider;
  /** What every plugin says of every node for a pod, as text. */
  explain(cycle: Cycle): string;
  readonly recorder: EventRecorder;
  readonly reporter: FailureReporter;
  readonly metrics: SchedulerMetrics;
}

/** What all profiles of a scheduler share. */
export interface ProfileRunOptions {
  readonly deps: ComponentDeps;
  readonly table: NodeTable;
  readonly nominator: Nominator;
  readonly signal: AbortSignal;
}

/** Sets profiles to work, by their names. */
export function runProfiles(
  profiles: ReadonlyMap<string, Profile>,
  { deps, table, nominator, signal }: ProfileRunOptions,
): ReadonlyMap<string, ProfileRun> {
  const { client, clock, log } = deps;
  const runs = new Map<string, ProfileRun>();
  for (const [schedulerName, profile] of profiles) {
    const recorder = createEventRecorder({
      ...deps,
      component: schedulerName,
      asSeries: true,
      signal,
    });
    runs.set(schedulerName, {
      schedulerName,
      profile,
      decider: new Decider({ profile, table, nominator }),
      explain: (cycle) => explanationTextOf(explain(cycle, { profile, nominator })),
      recorder,
      reporter: new FailureReporter({ client, clock, log, recorder }),
      metrics: new SchedulerMetrics(deps, schedulerName),
    });
  }
  return runs;
}

/** What each plugin waits for, by its name: all that it waits for in any profile. A plugin that says nothing in one waits for everything. */
export function eventsOfAll(
  profiles: Iterable<Profile>,
): ReadonlyMap<string, readonly EventRegistration[] | undefined> {
  const all = new Map<string, readonly EventRegistration[] | undefined>();
  for (const { events } of profiles) {
    for (const [name, registrations] of events) {
      const known = all.get(name);
      const isBoundless = registrations === undefined || (known === undefined && all.has(name));
      all.set(name, isBoundless ? undefined : [...(known ?? []), ...registrations]);
    }
  }
  return all;
}
