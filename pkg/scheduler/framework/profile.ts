/** A profile: which plugins a scheduler runs, in which order, and how much each one's score counts. */
import { UserError } from '#pkg/component/user-error.ts';
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

/** Extension points, by the methods that a plugin has for them. The names are those of configurations. */
export const extensionPoints = {
  preEnqueue: ['preEnqueue'],
  queueSort: ['compare'],
  preFilter: ['preFilter'],
  filter: ['filter'],
  postFilter: ['postFilter'],
  preScore: ['preScore'],
  score: ['score'],
  reserve: ['reserve', 'unreserve'],
  permit: ['permit'],
  preBind: ['preBind'],
  bind: ['bind'],
  postBind: ['postBind'],
} as const satisfies Readonly<Record<string, readonly (keyof AnyPlugin)[]>>;

/** The name of an extension point. */
export type ExtensionPoint = keyof typeof extensionPoints;

/** Whether a plugin has what an extension point calls. */
export function extendsPoint(plugin: AnyPlugin, point: ExtensionPoint): boolean {
  return has(plugin, ...extensionPoints[point]);
}

/**
 * Sorts plugins by extension points; `at` says which take part in one and in which order, all of the table by default. Throws when there is not exactly one
 * order of the queue, no way to bind, or a name twice.
 */
export function profileOf(
  entries: readonly ProfileEntry[],
  at: (point: ExtensionPoint) => readonly ProfileEntry[] = () => entries,
): Profile {
  const having = <K extends keyof AnyPlugin>(point: ExtensionPoint, ...methods: readonly K[]): readonly Having<K>[] =>
    at(point)
      .map(({ plugin }) => plugin)
      .filter((plugin) => has(plugin, ...methods));
  const queueSorts = having('queueSort', 'compare');
  const bind = having('bind', 'bind');
  const events = new Map(entries.map(({ plugin }) => [plugin.name, plugin.events]));
  const [queueSort] = queueSorts;
  if (queueSort === undefined || queueSorts.length > 1) {
    throw new UserError(
      `Cannot make a scheduler profile as it needs exactly one queue order: it has ${queueSorts.length}`,
    );
  }
  if (bind.length === 0) throw new UserError('Cannot make a scheduler profile as no plugin binds');
  if (events.size !== entries.length) throw new UserError('Cannot make a scheduler profile as a plugin is in it twice');
  return {
    preEnqueue: having('preEnqueue', 'preEnqueue'),
    queueSort,
    preFilter: having('preFilter', 'preFilter'),
    filter: having('filter', 'filter'),
    postFilter: having('postFilter', 'postFilter'),
    preScore: having('preScore', 'preScore'),
    score: at('score').flatMap(({ plugin, weight = 1 }) => (has(plugin, 'score') ? [{ plugin, weight }] : [])),
    reserve: having('reserve', 'reserve', 'unreserve'),
    permit: having('permit', 'permit'),
    preBind: having('preBind', 'preBind'),
    bind,
    postBind: having('postBind', 'postBind'),
    events,
  };
}

/** A plugin that is known to have these methods. */
type Having<K extends keyof AnyPlugin> = AnyPlugin & Required<Pick<AnyPlugin, K>>;

function has<K extends keyof AnyPlugin>(plugin: AnyPlugin, ...methods: readonly K[]): plugin is Having<K> {
  return methods.every((method) => plugin[method] !== undefined);
}
