/** Where a node has static pods, as flags of a kubelet say. Names and defaults are upstream's. */
import { isAbsolute } from 'node:path';
import { duration, type FlagTable, text } from '#pkg/component/flags.ts';

const periodMsDefault = 20_000;

/** The table. */
export const staticPodFlags = {
  'pod-manifest-path': text({
    help: 'Folder, or file, of pods that the node runs whether the API knows of them or not; empty for none.',
    placeholder: 'path',
    problem: (value) => (value === '' || isAbsolute(value) ? undefined : 'must be an absolute path'),
  }),
  'file-check-frequency': duration({
    help: 'How often it is looked at beside what the system tells of it.',
    fallback: periodMsDefault,
  }),
} satisfies FlagTable;

/** Where they are. */
export interface StaticPodPlace {
  readonly path: string;
  readonly periodMs: number;
}

/** The place that values of the table stand for; undefined where there are none. */
export function staticPodsOf(values: Readonly<Record<string, unknown>>): StaticPodPlace | undefined {
  const [path, periodMs] = [values['pod-manifest-path'], values['file-check-frequency']];
  if (typeof path !== 'string' || path === '') return undefined;
  return { path, periodMs: typeof periodMs === 'number' ? periodMs : periodMsDefault };
}
