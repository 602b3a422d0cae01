/** The flags of `npm run bench`. */
import { parseArgs } from 'node:util';
import type { BenchSizes } from './session.ts';

/** What `--help` prints. */
export const usage = `Usage: npm run bench -- [flags]

Measures a server over HTTPS, alone or in turns with others.

  --kubeconfig <file>   Measure the server of this kubeconfig. Default: a cluster of its own. With --against, as a further side.
  --store <name>        Store of the own clusters. Default: lmdb.
  --only <text>         Only rows whose name contains this; may be given several times. 'guest' alone
                        measures the simulated machine, beside QEMU, and no server; 'machines' alone
                        how soon one answers, and the memory of fifty; 'decisions' alone how fast the scheduler decides in memory.
  --seconds <n>         How long each row lasts, in turns each turn. Default: 3; in turns 1.
  --nodes <n>           Nodes of the scheduling rows. Default: 5000.
  --pods <n>            Pods of the scheduling rows. Default: 5000.
  --profile <folder>    Write a CPU profile of the own cluster there.
  --audit               Audit all requests at the level Metadata into a file, in the own clusters whose code can.
  --help                Print this.

In turns:
  --against <commit>    Measure this checkout and that commit in turns; the clients are this checkout's for both.
  --ceiling             Also measure a bare node:https server that gives the same bytes. With --against that is so anyhow.
  --pairs <n>           Turns of each side for each row. Default: 9.
  --long-pairs <n>      The same for rows that take many seconds. Default: 3.
  --fail-under <ratio>  Exit with 1 when the median ratio of a row to <commit> is below this.

Further rows, each turn of which starts a cluster of its own:
  --starts <n>          How often: time to start, memory after the start and after 5,000 pods. Default: not; with --against as --pairs.
  --peak-pods <n>       Also the highest memory up to that many pods, such as 30000; --starts is then at least 1 by default.
`;

/** Flags as they are used. */
export interface BenchOptions {
  readonly kubeconfig: string | undefined;
  readonly store: string;
  /** A row is measured when its name contains one of these. */
  readonly only: readonly string[];
  readonly profile: string | undefined;
  readonly audit: boolean;
  readonly against: string | undefined;
  readonly isInTurns: boolean;
  readonly pairs: number;
  readonly longPairs: number;
  readonly failUnder: number | undefined;
  readonly starts: number;
  readonly peakPods: number;
  readonly sizes: BenchSizes;
}

/** Reads flags; undefined when help is wanted. Throws one line about what is wrong. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const string = { type: 'string' } as const;
  const boolean = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      kubeconfig: string,
      store: { ...string, default: 'lmdb' },
      only: { ...string, multiple: true, default: [''] },
      seconds: string,
      nodes: { ...string, default: '5000' },
      pods: { ...string, default: '5000' },
      profile: string,
      audit: boolean,
      against: string,
      ceiling: boolean,
      pairs: { ...string, default: '9' },
      'long-pairs': { ...string, default: '3' },
      'fail-under': string,
      starts: string,
      'peak-pods': { ...string, default: '0' },
      help: boolean,
    },
  });
  if (values.help) return undefined;
  const { against, kubeconfig } = values;
  const isInTurns = against !== undefined || values.ceiling;
  const seconds = Number(values.seconds ?? (isInTurns ? 1 : 3));
  const sizes = { rowMs: seconds * 1000, nodes: Number(values.nodes), pods: Number(values.pods) };
  if (!Object.values(sizes).every((size) => size > 0))
    throw new Error('Cannot measure as --seconds, --nodes and --pods must be numbers above 0');
  const failUnder = values['fail-under'] === undefined ? undefined : Number(values['fail-under']);
  if (failUnder !== undefined && !(failUnder > 0))
    throw new Error('Cannot measure as --fail-under must be a number above 0');
  if (failUnder !== undefined && against === undefined)
    throw new Error('Cannot measure as --fail-under needs --against');
  const pairs = wholeNumber('--pairs', values.pairs, 1);
  const peakPods = wholeNumber('--peak-pods', values['peak-pods'], 0);
  const startsByDefault = against !== undefined ? pairs : peakPods > 0 ? 1 : 0;
  const starts = values.starts === undefined ? startsByDefault : wholeNumber('--starts', values.starts, 0);
  if (starts > 0 && against === undefined && kubeconfig !== undefined)
    throw new Error('Cannot measure as --starts is about clusters of its own, not that of --kubeconfig');
  return {
    kubeconfig,
    store: values.store,
    only: values.only,
    profile: values.profile,
    audit: values.audit,
    against,
    isInTurns,
    pairs,
    longPairs: wholeNumber('--long-pairs', values['long-pairs'], 1),
    failUnder,
    starts,
    peakPods,
    sizes,
  };
}

function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`Cannot measure as ${flag} must be a whole number of at least ${least}: ${text}`);
  return value;
}
