/** The flag of kubelets by which no pod starts processes without end. */
import { type FlagTable, integer } from '#pkg/component/flags.ts';

/** Room for every usual program, and far below what machines have numbers for: 32,768 at least. Upstream has no limit by default, and distributions have this one. */
const podPidsDefault = 4096;

/** The table. */
export const podPidsFlags = {
  'pod-max-pids': integer({
    help: 'Most processes of one pod, threads among them, for the runtime container; 0 for no limit.',
    fallback: podPidsDefault,
  }),
} satisfies FlagTable;

/** The limit that flags say; undefined for none. */
export function podPidsOf(values: Readonly<Record<string, unknown>>): number | undefined {
  const value = values['pod-max-pids'];
  const limit = typeof value === 'number' ? value : podPidsDefault;
  return limit === 0 ? undefined : limit;
}
