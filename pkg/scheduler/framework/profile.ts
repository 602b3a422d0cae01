/** A profile: which plugins a scheduler runs, in which order, and how much each one's score counts. */
import type { EventRegistration } from './events.ts';
import type {
  AnyPlugin,
  BindPlugin,
  FilterPlugin,
  NormalizeScorePlugin,
  PermitPlugin,
  PostBindPlugin,
  PostFilterPlugin,
  PreBindPlugin,
  PreEnqueuePlugin,
  PreFilterPlugin,
  PreScorePlugin,
  QueueSortPlugin,
  ReservePlugin,
  ScorePlugin,
} from './plugin.ts';

/** One line of the table of plugins. */
export interface ProfileEntry {
  readonly plugin: AnyPlugin;
  /** Weight of the plugin's score, default 1. */
  readonly weight?: number;
}

/** A plugin that scores, with how much its score counts. */
export interface WeightedScore {
  readonly plugin: Partial<NormalizeScorePlugin> & ScorePlugin;
  readonly weight: number;
}

/** The plugins by extension point, each in the order of the table. */
export interface Profile {
  readonly preEnqueue: readonly PreEnqueuePlugin[];
  readonly queueSort: QueueSortPlugin;
  readonly preFilter: readonly PreFilterPlugin[];
  readonly filter: readonly FilterPlugin[];
  readonly postFilter: readonly PostFilterPlugin[];
  readonly preScore: readonly PreScorePlugin[];
  readonly score: readonly WeightedScore[];
  readonly reserve: readonly ReservePlugin[];
  readonly permit: readonly PermitPlugin[];
  readonly preBind: readonly PreBindPlugin[];
  readonly bind: readonly BindPlugin[];
  readonly postBind: readonly PostBindPlugin[];
  /** What each plugin waits for, by its name; a plugin that says nothing waits for everything. */
  readonly events: ReadonlyMap<string, readonly EventRegistration[] | undefined>;
}

/** Sorts the table by extension points. Throws when it has not exactly one order of the queue, no way to bind, or a name twice. */
export function profileOf(entries: readonly ProfileEntry[]): Profile {
  const plugins = entries.map((entry) => entry.plugin);
  const having = <K extends keyof AnyPlugin>(...methods: readonly K[]): readonly Having<K>[] =>
    plugins.filter((plugin) => has(plugin, ...methods));
  const queueSorts = having('compare');
  const bind = having('bind');
  const events = new Map(plugins.map((plugin) => [plugin.name, plugin.events]));
  if (queueSorts.length !== 1) {
    throw new Error(`Cannot make a scheduler profile as it needs exactly one queue order: it has ${queueSorts.length}`);
  }
  if (bind.length === 0) throw new Error('Cannot make a scheduler profile as no plugin binds');
  if (events.size !== plugins.length) throw new Error('Cannot make a scheduler profile as a plugin is in it twice');
  return {
    preEnqueue: having('preEnqueue'),
    queueSort: queueSorts[0]!,
    preFilter: having('preFilter'),
    filter: having('filter'),
    postFilter: having('postFilter'),
    preScore: having('preScore'),
    score: entries.flatMap(({ plugin, weight = 1 }) => (has(plugin, 'score') ? [{ plugin, weight }] : [])),
    reserve: having('reserve', 'unreserve'),
    permit: having('permit'),
    preBind: having('preBind'),
    bind,
    postBind: having('postBind'),
    events,
  };
}

/** A plugin that is known to have these methods. */
type Having<K extends keyof AnyPlugin> = AnyPlugin & Required<Pick<AnyPlugin, K>>;

function has<K extends keyof AnyPlugin>(plugin: AnyPlugin, ...methods: readonly K[]): plugin is Having<K> {
  return methods.every((method) => plugin[method] !== undefined);
}
