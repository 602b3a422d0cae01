/** A profile over objects that were read once: it decides as the scheduler would, and can write nothing. */
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { type Random, SeededRandom } from '#pkg/base/random.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { type ChoiceOptions, choicesByPoint, chosenEntries } from '../config/choose-plugins.ts';
import type { ProfileSpec } from '../config/configuration.ts';
import { nameOf, type PluginContext } from '../framework/plugin-context.ts';
import { type Profile, profileOf } from '../framework/profile.ts';

/** What it is made over. */
export interface OfflineOptions extends ChoiceOptions {
  readonly spec: ProfileSpec;
  /** What there is of a resource; it may be filled later, before the first pod is decided. */
  lister<T extends KubeObject>(ref: ResourceRef<T>): Lister<T>;
  readonly random?: Random;
}

/** Makes the profile. Throws `UserError` for one that cannot be. */
export function offlineProfile(options: OfflineOptions): Profile {
  const { spec, scheduling, hasTaintRules = false, lister, random = new SeededRandom(1) } = options;
  const transport = { request: () => Promise.reject(new Error('Cannot write as there is no API')) };
  const client = createClient({ transport, userAgent: 'offline' });
  const context: PluginContext = { client, random, scheduling, hasTaintRules, lister };
  const made = chosenEntries(spec, options).map((entry) => {
    const args = spec.pluginConfig?.find(({ name }) => name === nameOf(entry))?.args;
    const plugin = 'plugin' in entry ? entry.plugin : entry.create(context, args, spec.check);
    return { plugin, ...(entry.weight === undefined ? {} : { weight: entry.weight }) };
  });
  return profileOf(made, choicesByPoint(spec, made, options));
}
