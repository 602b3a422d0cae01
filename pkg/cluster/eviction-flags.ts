/** When a node ends pods because it has too little left, as its flags say. Names and defaults are upstream's kubelet's, but for disks: those of people's machines are theirs to fill. */
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { duration, type FlagTable, integer, text } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { EvictionSettings } from '#pkg/kubelet/eviction/eviction-manager.ts';
import { type EvictionThreshold, parseThresholds } from '#pkg/kubelet/eviction/thresholds.ts';

const hardDefault = 'memory.available<100Mi';
const transitionMsDefault = 300_000;

const problemOf = (value: string): string | undefined => {
  const parsed = parseThresholds(value);
  return typeof parsed === 'string' ? `must be thresholds such as memory.available<100Mi: ${parsed}` : undefined;
};

/** The table. */
export const evictionFlags = {
  'eviction-hard': text({
    help: 'What the node has to have left, else it ends pods at once: memory.available, nodefs.available, nodefs.inodesFree, pid.available, each below an amount or a percentage; empty for nothing.',
    fallback: hardDefault,
    placeholder: 'signal<amount',
    problem: problemOf,
  }),
  'eviction-soft': text({
    help: 'The same for pods that are ended when it has gone on for the time of --eviction-soft-grace-period.',
    placeholder: 'signal<amount',
    problem: problemOf,
  }),
  'eviction-soft-grace-period': text({
    help: 'How long each of --eviction-soft may go on, such as memory.available=1m30s.',
    placeholder: 'signal=duration',
    problem: (value) => (gracesOf(value) === undefined ? 'must be such as memory.available=1m30s' : undefined),
  }),
  'eviction-max-pod-grace-period': integer({
    help: 'Seconds that a pod gets at most to end for one of --eviction-soft.',
    fallback: 0,
  }),
  'eviction-pressure-transition-period': duration({
    help: 'How long the node says that it has too little after it was seen last.',
    fallback: transitionMsDefault,
  }),
} satisfies FlagTable;

/** The settings that values of the table stand for. Throws `UserError` where a soft threshold has no time of its own. */
export function evictionOf(values: Readonly<Record<string, unknown>>): EvictionSettings {
  const textOf = (name: string, fallback = ''): string => {
    const value = values[name];
    return typeof value === 'string' ? value : fallback;
  };
  const numberOf = (name: string, fallback: number): number => {
    const value = values[name];
    return typeof value === 'number' ? value : fallback;
  };
  const graces = gracesOf(textOf('eviction-soft-grace-period')) ?? new Map();
  const hard = parsed('eviction-hard', parseThresholds(textOf('eviction-hard', hardDefault)));
  const soft = parsed(
    'eviction-soft',
    parseThresholds(textOf('eviction-soft'), (signal) => graces.get(signal)),
  );
  return {
    thresholds: [...hard, ...soft],
    transitionMs: numberOf('eviction-pressure-transition-period', transitionMsDefault),
    podGraceMsMax: numberOf('eviction-max-pod-grace-period', 0) * 1000,
  };
}

function parsed(flag: string, thresholds: readonly EvictionThreshold[] | string): readonly EvictionThreshold[] {
  if (typeof thresholds === 'string') throw new UserError(`--${flag}: ${thresholds}`);
  return thresholds;
}

/** Undefined for text that is none. */
function gracesOf(flag: string): ReadonlyMap<string, number> | undefined {
  const graces = new Map<string, number>();
  for (const entry of flag.split(',').filter((part) => part !== '')) {
    const [signal = '', time = ''] = entry.split('=');
    const ms = parseDurationMs(time);
    if (ms === undefined) return undefined;
    graces.set(signal, ms);
  }
  return graces;
}
