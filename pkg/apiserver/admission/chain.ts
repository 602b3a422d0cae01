/**
 * The admission plugins in their order: those that change drafts first, then those that only refuse.
 * Upstream counterpart: apiserver `admission/chain.go`.
 */
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader, StrategyContext } from '../strategy.ts';
import type { UserInfo } from '../user-info.ts';

/** The plugins of one server, asked in order; the first that refuses ends it. */
export class AdmissionChain {
  readonly #admitting: readonly AdmissionPlugin[];
  readonly #validating: readonly AdmissionPlugin[];
  readonly #reader: RegistryReader;

  constructor(plugins: readonly AdmissionPlugin[], reader: RegistryReader) {
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
    let left = plugins.length;
    for (const plugin of plugins) {
      left--;
      const asked = plugin[step]?.(attributes, context, this.#reader);
      if (!(asked instanceof Promise)) continue;
      const others = plugins.slice(plugins.length - left);
      return others.length === 0 ? asked : asked.then(() => this.#run(others, step, attributes, context));
    }
    return undefined;
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
