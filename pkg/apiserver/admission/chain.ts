/**
 * The admission plugins in their order: those that change drafts first, then those that only refuse, then those that reserve what a write will use.
 * Upstream counterpart: apiserver `admission/chain.go`.
 */
import type {
  AdmissionAttributes,
  AdmissionPlugin,
  RegistryWriter,
  Reservation,
  StrategyContext,
} from '../strategy.ts';
import type { UserInfo } from '../user-info.ts';

/** The plugins of one server, asked in order; the first that refuses ends it. */
export class AdmissionChain {
  readonly #admitting: readonly AdmissionPlugin[];
  readonly #validating: readonly AdmissionPlugin[];
  readonly #reserving: readonly AdmissionPlugin[];
  readonly #registry: RegistryWriter;

  constructor(plugins: readonly AdmissionPlugin[], registry: RegistryWriter) {
    this.#admitting = plugins.filter(({ admit }) => admit !== undefined);
    this.#validating = plugins.filter(({ validate }) => validate !== undefined);
    this.#reserving = plugins.filter(({ reserve }) => reserve !== undefined);
    this.#registry = registry;
  }

  /** May change the draft. Undefined when no plugin has anything to do, so that the caller need not wait. */
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
      commit: () => {
        for (const reservation of taken) reservation.commit();
      },
      rollback: () => {
        for (const reservation of taken) reservation.rollback();
      },
    };
    try {
      for (const plugin of plugins) {
        const reservation = await plugin.reserve?.(attributes, context, this.#registry);
        if (reservation !== undefined) taken.push(reservation);
      }
    } catch (error) {
      all.rollback();
      throw error;
    }
    return all;
  }

  async #run(
    plugins: readonly AdmissionPlugin[],
    step: 'admit' | 'validate',
    attributes: AdmissionAttributes,
    context: StrategyContext,
  ): Promise<void> {
    for (const plugin of plugins) await plugin[step]!(attributes, context, this.#registry);
  }
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
