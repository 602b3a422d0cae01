/**
 * The admission plugins in their order: those that change drafts first, then those that only refuse.
 * Upstream counterpart: apiserver `admission/chain.go`.
 */
import type { ServerCounts } from '../server-counts.ts';
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader, StrategyContext } from '../strategy.ts';
import type { UserInfo } from '../user-info.ts';

/** What plugins look at, and where their turns are counted. */
export interface ChainParts {
  readonly reader: RegistryReader;
  readonly counts: ServerCounts;
}

/** The plugins of one server, asked in order; the first that refuses ends it. */
export class AdmissionChain {
  readonly #admitting: readonly AdmissionPlugin[];
  readonly #validating: readonly AdmissionPlugin[];
  readonly #reader: RegistryReader;
  readonly #counts: ServerCounts;

  constructor(plugins: readonly AdmissionPlugin[], { reader, counts }: ChainParts) {
    this.#counts = counts;
    this.#admitting = plugins.filter(({ admit }) => admit !== undefined);
    this.#validating = plugins.filter(({ validate }) => validate !== undefined);
    this.#reader = reader;
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

  /** Waits for nothing but for plugins that do. */
  #run(
    plugins: readonly AdmissionPlugin[],
    step: 'admit' | 'validate',
    attributes: AdmissionAttributes,
    context: StrategyContext,
  ): Promise<void> | undefined {
    const startMs = this.#counts.clock.monotonicMs();
    const { operation } = attributes;
    const ended = (isRejected: boolean): void => this.#counts.stepped({ operation, step, isRejected }, startMs);
    try {
      const waiting = this.#ask(plugins, { step, attributes, context });
      if (waiting === undefined) ended(false);
      return waiting?.then(
        () => ended(false),
        (error: unknown) => {
          ended(true);
          throw error;
        },
      );
    } catch (error) {
      ended(true);
      throw error;
    }
  }

  #ask(plugins: readonly AdmissionPlugin[], asking: Asking): Promise<void> | undefined {
    const { step, attributes, context } = asking;
    const { operation } = attributes;
    for (const [i, plugin] of plugins.entries()) {
      const startMs = this.#counts.clock.monotonicMs();
      const ended = (isRejected: boolean): void =>
        this.#counts.asked(plugin.name, { operation, step, isRejected }, startMs);
      let asked: Promise<void> | undefined | void;
      try {
        asked = plugin[step]?.(attributes, context, this.#reader);
      } catch (error) {
        ended(true);
        throw error;
      }
      if (asked instanceof Promise) {
        return asked.then(
          () => {
            ended(false);
            return this.#ask(plugins.slice(i + 1), asking);
          },
          (error: unknown) => {
            ended(true);
            throw error;
          },
        );
      }
      ended(false);
    }
    return undefined;
  }
}

interface Asking {
  readonly step: 'admit' | 'validate';
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
