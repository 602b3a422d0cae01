/**
 * What people set of single components: flags of their processes by name, whether the components are processes or all in one. They are kept
 * with the settings of the cluster, as text.
 */
import { type FlagTable, nearest } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ComponentFlags } from './settings.ts';
import type { ClusterTables } from './tables.ts';

/** The flags that people may set of a component; undefined when there is none of that name. */
export async function flagsOfComponent(component: string, tables: ClusterTables): Promise<FlagTable | undefined> {
  const { components } = tables;
  if (!Object.hasOwn(components, component)) return undefined;
  return (await components[component]!.options?.(tables)) ?? {};
}

/** Why there is no such component, in words that follow the place where it was named. */
export function unknownComponent(component: string, { components }: ClusterTables): string {
  const near = nearest(component, Object.keys(components));
  return `there is no component ${JSON.stringify(component)}${near === undefined ? `: use ${Object.keys(components).join(', ')}` : ` (did you mean ${near}?)`}`;
}

/** What the flags of a component are set to: only those that are. Throws `UserError` for one that does not exist or takes no such value. */
export async function componentValues(
  set: ComponentFlags,
  component: string,
  tables: ClusterTables,
): Promise<Readonly<Record<string, unknown>>> {
  const values: Record<string, unknown> = {};
  const own = Object.hasOwn(set, component) ? set[component]! : {};
  if (Object.keys(own).length === 0) return values;
  const table = await flagsOfComponent(component, tables);
  if (table === undefined) throw new UserError(unknownComponent(component, tables));
  for (const [name, text] of Object.entries(own)) {
    const flag = Object.hasOwn(table, name) ? table[name] : undefined;
    if (flag === undefined) {
      const near = nearest(name, Object.keys(table));
      throw new UserError(
        `${component} has no flag ${JSON.stringify(name)} that can be set${near === undefined ? '' : ` (did you mean ${near}?)`}`,
      );
    }
    const parsed = flag.parse(text, undefined);
    if (!parsed.ok) throw new UserError(`${component}.${name}: ${parsed.message}`);
    values[name] = parsed.value;
  }
  return values;
}

/** The same for the configuration file of the component's process. */
export async function componentFields(
  set: ComponentFlags,
  component: string,
  tables: ClusterTables,
): Promise<Readonly<Record<string, unknown>>> {
  const table = (await flagsOfComponent(component, tables)) ?? {};
  const own = Object.hasOwn(set, component) ? set[component]! : {};
  return Object.fromEntries(
    Object.entries(own).map(([name, text]) => [name, fieldValue(table[name]?.schema.type, text)]),
  );
}

/** As the schema of the flag has it. */
function fieldValue(type: unknown, text: string): boolean | number | string {
  if (type === 'integer') return Number(text);
  return type === 'boolean' ? text !== 'false' : text;
}
