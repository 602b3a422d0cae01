/**
 * The admission plugins in their order: those that change drafts first, then those that only refuse.
 * Upstream counterpart: apiserver `admission/chain.go`.
 */
import type { AdmissionAttributes, AdmissionPlugin, RegistryReader, StrategyContext } from '../strategy.ts';

/** The plugins of one server, asked in order; the first that refuses ends it. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #reader: RegistryReader;

  constructor(plugins: readonly AdmissionPlugin[], reader: RegistryReader) {
    this.#plugins = plugins;
    this.#reader = reader;
  }

  /** May change the draft. Undefined when no plugin has anything to do, so that the caller need not wait. */
  admit(attributes: AdmissionAttributes, context: StrategyContext): Promise<void> | undefined {
    const plugins = this.#plugins.filter(
      (plugin) => plugin.admit !== undefined && plugin.handles(attributes, context.user),
    );
    return plugins.length === 0 ? undefined : this.#run(plugins, 'admit', attributes, context);
  }

  validate(attributes: AdmissionAttributes, context: StrategyContext): Promise<void> | undefined {
    const plugins = this.#plugins.filter(
      (plugin) => plugin.validate !== undefined && plugin.handles(attributes, context.user),
    );
    return plugins.length === 0 ? undefined : this.#run(plugins, 'validate', attributes, context);
  }

  async #run(
    plugins: readonly AdmissionPlugin[],
    step: 'admit' | 'validate',
    attributes: AdmissionAttributes,
    context: StrategyContext,
  ): Promise<void> {
    for (const plugin of plugins) await plugin[step]!(attributes, context, this.#reader);
  }
}
