/** How much time pods get when their node shuts down, as flags of a kubelet say. Names are those of upstream's configuration file. */
import { duration, type FlagTable, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { plainPeriods, type ShutdownPeriod } from '#pkg/kubelet/shutdown/shutdown-groups.ts';

const names = {
  all: 'shutdown-grace-period',
  critical: 'shutdown-grace-period-critical-pods',
  byPriority: 'shutdown-grace-period-by-pod-priority',
} as const;

/** The table. */
export const shutdownFlags = {
  'shutdown-grace-period': duration({
    help: 'How long pods get to end when the kubelet is told to stop, as the node then shuts down: they have failed afterwards. 0 leaves them as they are.',
    fallback: 0,
  }),
  'shutdown-grace-period-critical-pods': duration({
    help: 'How much of that is for critical pods alone, which end after the others.',
    fallback: 0,
  }),
  'shutdown-grace-period-by-pod-priority': text({
    help: 'In place of both: seconds for pods from a priority on, those of the lowest first, such as 0=20,1000=10.',
    placeholder: 'priority=seconds,…',
    problem: (value) => (periodsOf(value) === undefined ? 'must be such as 0=20,1000=10' : undefined),
  }),
} satisfies FlagTable;

/** The periods that values of the table stand for; none where pods are left as they are. Throws `UserError` for what does not go together. */
export function shutdownOf(values: Readonly<Record<string, unknown>>): readonly ShutdownPeriod[] {
  const secondsOf = (name: string): number => {
    const value = values[name];
    return typeof value === 'number' ? Math.floor(value / 1_000) : 0;
  };
  const [all, critical] = [secondsOf(names.all), secondsOf(names.critical)];
  const said = values[names.byPriority];
  const periods = typeof said === 'string' ? (periodsOf(said) ?? []) : [];
  if (periods.length > 0 && all > 0) throw new UserError(`--${names.byPriority}: is in place of --${names.all}`);
  if (critical > all) throw new UserError(`--${names.critical}: must be at most --${names.all}`);
  return periods.length > 0 ? periods : plainPeriods(all, critical);
}

/** What a process gets to stop beside the time of its pods. */
const stopMs = 30_000;

/** Longest wait for a process with nodes to stop, in milliseconds. Throws as `shutdownOf`. */
export function stopMsMaxOf(values: Readonly<Record<string, unknown>>): number {
  return shutdownOf(values).reduce((sum, { seconds }) => sum + seconds * 1_000, stopMs);
}

/** Undefined for text that is none. */
function periodsOf(value: string): readonly ShutdownPeriod[] | undefined {
  const periods: ShutdownPeriod[] = [];
  for (const entry of value.split(',').filter((part) => part !== '')) {
    const [, priority, seconds] = /^(-?\d+)=(\d+)$/.exec(entry) ?? [];
    if (priority === undefined || seconds === undefined) return undefined;
    periods.push({ priority: Number(priority), seconds: Number(seconds) });
  }
  return periods;
}
