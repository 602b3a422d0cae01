/**
 * The admission plugins in their order: those that change drafts first, then those that only refuse, then those that reserve what a write will use.
 * Upstream counterpart: apiserver `admission/chain.go`.
 */
import type { AdmissionTurns, ServerCounts } from '../server-counts.ts';
import type {
  AdmissionAttributes,
  AdmissionPlugin,
  RegistryWriter,
  Reservation,
  StrategyContext,
} from '../strategy.ts';
import type { UserInfo } from '../user-info.ts';

/** What plugins look at, and where their turns are counted. */
export interface ChainParts {
  readonly reader: RegistryWriter;
  readonly counts: ServerCounts;
}

/** The plugins of one server, asked in order; the first that refuses ends it. */
export class AdmissionChain {
  readonly #admitting: readonly AdmissionPlugin[];
  readonly #validating: readonly AdmissionPlugin[];
  readonly #reserving: readonly AdmissionPlugin[];
  readonly #reader: RegistryWriter;
  readonly #counts: ServerCounts;
  readonly #steps: Readonly<Record<Step, AdmissionTurns>>;
  readonly #turns = {
    admit: new Map<AdmissionPlugin, AdmissionTurns>(),
    validate: new Map<AdmissionPlugin, AdmissionTurns>(),
  };

  constructor(plugins: readonly AdmissionPlugin[], { reader, counts }: ChainParts) {
    this.#counts = counts;
    this.#steps = { admit: counts.turnsOf('admit'), validate: counts.turnsOf('validate') };
    this.#admitting = plugins.filter(({ admit }) => admit !== undefined);
    this.#validating = plugins.filter(({ validate }) => validate !== undefined);
    this.#reserving = plugins.filter(({ reserve }) => reserve !== undefined);
    this.#reader = reader;
    for (const plugin of plugins) plugin.countIn?.(counts.metrics);
  }

  /** May change the draft. Undefined where nothing had to be waited for. Throws and rejects with what a plugin refuses by. */
  admit(attributes: AdmissionAttributes, context: StrategyContext): Promise<void> | undefined {
    const plugins = concerned(this.#admitting, attributes, context.user);
    return plugins === undefined ? undefined : this.#run(plugins, 'admit', attributes, context);
  }

  validate(attributes: AdmissionAttributes, context: StrategyContext): Promise<void> | undefined {
    const plugins = concerned(this.#validating, attributes, context.user);
    return plugins === undefined ? undefined : this.#run(plugins, 'validate', attributes, context);
  }

  /**
   * Takes what the write will use; whoever is given a reservation keeps it or gives it back. Undefined when no plugin has anything to do, so
   * that the caller need not wait.
   */
  reserve(attributes: AdmissionAttributes, context: StrategyContext): Promise<Reservation> | undefined {
    const plugins = concerned(this.#reserving, attributes, context.user);
    return plugins === undefined ? undefined : this.#reserve(plugins, attributes, context);
  }

  async #reserve(
    plugins: readonly AdmissionPlugin[],
    attributes: AdmissionAttributes,
    context: StrategyContext,
  ): Promise<Reservation> {
    const taken: Reservation[] = [];
    const all: Reservation = {
      commit: async () => {
        for (const reservation of taken) await reservation.commit();
      },
      rollback: async () => {
        for (const reservation of taken) await reservation.rollback();
      },
    };
    try {
      for (const plugin of plugins) {
        const reservation = await plugin.reserve?.(attributes, context, this.#reader);
        if (reservation !== undefined) taken.push(reservation);
      }
    } catch (error) {
      await all.rollback();
      throw error;
    }
    return all;
  }

  /** Waits for nothing but for plugins that do. */
  #run(
    plugins: readonly AdmissionPlugin[],
    step: Step,
    attributes: AdmissionAttributes,
    context: StrategyContext,
  ): Promise<void> | undefined {
    const { operation } = attributes;
    const turns = this.#steps[step].of(operation);
    const startMs = this.#counts.clock.monotonicMs();
    let waiting: Promise<void> | undefined;
    try {
      waiting = this.#ask(plugins, { step, attributes, context });
    } catch (error) {
      this.#counts.observe(turns.refused, startMs);
      throw error;
    }
    if (waiting !== undefined) return this.#settled(waiting, { turns, startMs });
    this.#counts.observe(turns.passed, startMs);
    return undefined;
  }

  #ask(plugins: readonly AdmissionPlugin[], asking: Asking): Promise<void> | undefined {
    const { step, attributes, context } = asking;
    let startMs = this.#counts.clock.monotonicMs();
    let left = plugins.length;
    for (const plugin of plugins) {
      left--;
      const turns = this.#turnsOf(plugin, step).of(attributes.operation);
      let asked: Promise<void> | undefined | void;
      try {
        asked = plugin[step]?.(attributes, context, this.#reader);
      } catch (error) {
        this.#counts.observe(turns.refused, startMs);
        throw error;
      }
      if (asked instanceof Promise)
        return this.#askAfter({ asked, turns, startMs }, plugins.slice(plugins.length - left), asking);
      startMs = this.#counts.observe(turns.passed, startMs);
    }
    return undefined;
  }

  /** The others, once one is done that has to be waited for. */
  async #askAfter(
    { asked, turns, startMs }: Waiting,
    others: readonly AdmissionPlugin[],
    asking: Asking,
  ): Promise<void> {
    await this.#settled(asked, { turns, startMs });
    if (others.length > 0) await this.#ask(others, asking);
  }

  #turnsOf(plugin: AdmissionPlugin, step: Step): AdmissionTurns {
    let turns = this.#turns[step].get(plugin);
    if (turns === undefined) {
      turns = this.#counts.turnsOf(step, plugin.name);
      this.#turns[step].set(plugin, turns);
    }
    return turns;
  }

  async #settled(
    waiting: Promise<void>,
    { turns, startMs }: { readonly turns: ReturnType<AdmissionTurns['of']>; readonly startMs: number },
  ): Promise<void> {
    try {
      await waiting;
    } catch (error) {
      this.#counts.observe(turns.refused, startMs);
      throw error;
    }
    this.#counts.observe(turns.passed, startMs);
  }
}

type Step = 'admit' | 'validate';

interface Waiting {
  readonly asked: Promise<void>;
  readonly turns: ReturnType<AdmissionTurns['of']>;
  readonly startMs: number;
}

interface Asking {
  readonly step: Step;
  readonly attributes: AdmissionAttributes;
  readonly context: StrategyContext;
}

/** Those that have something to do; undefined, as mostly, when none has. */
function concerned(
  plugins: readonly AdmissionPlugin[],
  attributes: AdmissionAttributes,
  user: UserInfo,
): readonly AdmissionPlugin[] | undefined {
  let found: AdmissionPlugin[] | undefined;
  for (const plugin of plugins) {
    if (!plugin.handles(attributes, user)) continue;
    found ??= [];
    found.push(plugin);
  }
  return found;
}
