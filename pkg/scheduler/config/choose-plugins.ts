/**
 * Which plugins take part in a profile, where, in which order and with which weight: those of the table by default, changed by what a profile says. What
 * it says of one extension point comes before what it says of all. Upstream counterpart: kube-scheduler `framework/runtime` `expandMultiPointPlugins`,
 * `apis/config/v1` `mergePlugins`.
 */
import { UserError } from '#pkg/component/user-error.ts';
import type { AnyPlugin } from '../framework/plugin.ts';
import { nameOf, type PluginEntry, type Scheduling, takingPart } from '../framework/plugin-context.ts';
import { type ExtensionPoint, extendsPoint, extensionPoints, type ProfileEntry } from '../framework/profile.ts';
import type { PluginChoice, PluginSet, ProfileSpec } from './configuration.ts';

/** What a profile is chosen from. */
export interface ChoiceOptions {
  readonly table: readonly PluginEntry[];
  readonly scheduling: Scheduling;
  /** Whether the API has DeviceTaintRules. Default: it has not. */
  readonly hasTaintRules?: boolean;
}

/** Stands for every plugin. */
const all = '*';

/** The lines of the table whose plugins a profile needs. */
export function chosenEntries(
  { plugins = {} }: ProfileSpec,
  { table, scheduling }: ChoiceOptions,
): readonly PluginEntry[] {
  const names = new Set(merged(defaultChoices({ table, scheduling }), plugins.multiPoint).map(({ name }) => name));
  for (const set of Object.values(plugins)) for (const { name } of set?.enabled ?? []) names.add(name);
  return table.filter((entry) => {
    const name = nameOf(entry);
    return name === undefined || names.has(name);
  });
}

/**
 * By extension point the plugins that take part in it. `made` has the plugins of `chosenEntries`, each with its weight. Throws `UserError` for one that a
 * profile wants at a point which it does not have.
 */
export function choicesByPoint(
  { plugins = {}, schedulerName }: ProfileSpec,
  made: readonly ProfileEntry[],
  options: ChoiceOptions,
): (point: ExtensionPoint) => readonly ProfileEntry[] {
  const byName = new Map(made.map((entry) => [entry.plugin.name, entry]));
  const nameless = options.table.some((entry) => nameOf(entry) === undefined);
  const known = new Set(options.table.map(nameOf));
  // A plugin that says its name only once it is made takes part everywhere.
  const unnamed = nameless ? made.filter(({ plugin }) => !known.has(plugin.name)) : [];
  const everywhere = [
    ...merged(defaultChoices(options), plugins.multiPoint),
    ...unnamed.map(({ plugin: { name }, weight }) => ({ name, ...(weight === undefined ? {} : { weight }) })),
  ];
  const entryOf = ({ name, weight }: PluginChoice): ProfileEntry | undefined => {
    const entry = byName.get(name);
    if (entry === undefined) return undefined;
    return weight ? { plugin: entry.plugin, weight } : entry;
  };
  return (point) => {
    const set = plugins[point];
    const extending = (choices: readonly PluginChoice[]): readonly ProfileEntry[] =>
      choices.flatMap((choice) => {
        const entry = entryOf(choice);
        return entry !== undefined && extendsPoint(entry.plugin, point) ? [entry] : [];
      });
    for (const choice of set?.enabled ?? []) checkExtends(entryOf(choice)?.plugin, { point, choice, schedulerName });
    return extending(atPoint(everywhere, set));
  };
}

function checkExtends(
  plugin: AnyPlugin | undefined,
  where: { readonly point: ExtensionPoint; readonly choice: PluginChoice; readonly schedulerName: string },
): void {
  const { point, choice, schedulerName } = where;
  if (plugin === undefined || extendsPoint(plugin, point)) return;
  const has = Object.keys(extensionPoints).filter((name) => isPoint(name) && extendsPoint(plugin, name));
  throw new UserError(
    `Cannot use the plugin ${choice.name} at ${point} of the scheduler profile ${schedulerName} as it does not extend that: it has ${has.join(', ')}`,
  );
}

function isPoint(name: string): name is ExtensionPoint {
  return Object.hasOwn(extensionPoints, name);
}

function defaultChoices({ table, scheduling }: ChoiceOptions): readonly PluginChoice[] {
  return takingPart(table, scheduling).flatMap((entry) => {
    const name = nameOf(entry);
    return name === undefined ? [] : [{ name }];
  });
}

/** The defaults of all points with what a profile says of these: one that it enables again keeps its place and has the new weight. */
function merged(defaults: readonly PluginChoice[], set: PluginSet | undefined): readonly PluginChoice[] {
  const enabled = set?.enabled ?? [];
  const disabled = new Set((set?.disabled ?? []).map(({ name }) => name));
  const kept = defaults
    .filter(({ name }) => !disabled.has(all) && !disabled.has(name))
    .map((choice) => enabled.find(({ name }) => name === choice.name) ?? choice);
  return [...kept, ...enabled.filter(({ name }) => !kept.some((choice) => choice.name === name))];
}

/** At one point: first those that it names and that take part anyway, then the others of these, then further ones that it names. */
function atPoint(everywhere: readonly PluginChoice[], set: PluginSet | undefined): readonly PluginChoice[] {
  if (set === undefined) return everywhere;
  const enabled = set.enabled ?? [];
  const disabled = new Set((set.disabled ?? []).map(({ name }) => name));
  const isEnabled = (choice: PluginChoice): boolean => enabled.some(({ name }) => name === choice.name);
  const isEverywhere = (choice: PluginChoice): boolean => everywhere.some(({ name }) => name === choice.name);
  return [
    ...enabled.filter(isEverywhere),
    ...everywhere.filter((choice) => !isEnabled(choice) && !disabled.has(all) && !disabled.has(choice.name)),
    ...enabled.filter((choice) => !isEverywhere(choice)),
  ];
}
