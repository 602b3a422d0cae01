/** What a start is to have: by the command line and its file, else what the cluster had, else the defaults. */
import type { ClusterSettings } from '#pkg/cluster/settings.ts';
import { type KeptFile, withNodes } from './cluster-file/cluster-file.ts';
import { withRanges } from './cluster-file/ranges.ts';
import type { UpArguments } from './up-arguments.ts';
import { settingsOf, type UpValues } from './up-flags.ts';

/** What was chosen. */
export interface Chosen {
  readonly values: UpValues;
  readonly settings: ClusterSettings;
  /** What a cluster file says, now or at the start before, beside the settings. */
  readonly kept: KeptFile | undefined;
  /** Whether the cluster is to become what the file says, as there is a new one or the store has nothing. */
  readonly follows: boolean;
}

/** Throws `UserError` for what cannot be, or not of this cluster. */
export function chosenBy(
  { values: said, given, file, componentFlags }: UpArguments,
  before: { readonly settings: ClusterSettings; readonly file?: KeptFile } | undefined,
): Chosen {
  const values = file === undefined ? withKept(said, given, before) : said;
  const noded = withNodes(settingsOf(values, given, before?.settings), file);
  const settings = {
    ...(file === undefined ? noded : withRanges(noded, file, values.renumber ? undefined : before?.settings)),
    ...(componentFlags === undefined ? {} : { componentFlags }),
  };
  const kept = file === undefined ? before?.file : { processes: values.processes, ...file.objects };
  return { values, settings, kept, follows: file !== undefined || settings.store === 'memory' };
}

/** With what an earlier cluster file said and the command line does not. */
function withKept(
  values: UpValues,
  given: ReadonlySet<string>,
  before: { readonly settings: ClusterSettings; readonly file?: KeptFile } | undefined,
): UpValues {
  const { file, settings } = before ?? {};
  if (file === undefined) return values;
  return {
    ...values,
    ...(given.has('processes') ? {} : { processes: file.processes }),
    // A store has those that were enabled, unless it is in memory.
    ...(given.has('addons') || settings?.store !== 'memory' ? {} : { addons: file.addons }),
  };
}
