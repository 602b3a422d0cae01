/** `api-resources` and `api-versions`: what the server has. Source: kubectl `cmd/apiresources`. */
import { type FlagTable, type FlagValues, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { groupVersion, type Mapping } from './discovery.ts';
import { UsageError } from './errors.ts';
import { TableLayout } from './tables.ts';

/** The flags of `api-resources`. */
export const resourcesFlags = {
  'api-group': text({ help: 'Only those of a group.', placeholder: 'group' }),
  cached: toggle({ help: 'Taken and not used: nothing is kept.' }),
  categories: list({ help: 'Only those in all of these categories.', placeholder: 'category,…' }),
  namespaced: toggle({ help: 'Only those in namespaces, or only others.', fallback: true }),
  'no-headers': toggle({ help: 'Leave out the line of headers.' }),
  output: text({ help: 'Form of the output: name or wide.', short: 'o', placeholder: 'name|wide' }),
  'sort-by': text({ help: 'By name or by kind.', placeholder: 'name|kind' }),
  verbs: list({ help: 'Only those with all of these verbs.', placeholder: 'verb,verb' }),
} satisfies FlagTable;

type Values = FlagValues<typeof resourcesFlags>;

/** Runs `api-resources`; resolves to its exit code. */
export async function apiResources(context: KubectlContext, values: Values, args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new UsageError(`error: unexpected arguments: [${args.join(' ')}]`);
  if (!['', 'name', 'wide'].includes(values.output))
    throw new UserError(`error: --output ${values.output} is not available`);
  const seen = new Set<string>();
  const all = (await context.discovery.mappings()).filter((mapping) => {
    const key = `${mapping.group}/${mapping.resource}`;
    if (mapping.resource.includes('/') || mapping.verbs.length === 0 || seen.has(key)) return false;
    seen.add(key);
    return isWanted(context, values, mapping);
  });
  const sorted = all.toSorted((a, b) => compare(a, b, values['sort-by']));
  if (values.output === 'name') {
    for (const { resource, group } of sorted) context.print(`${resource}${group === '' ? '' : `.${group}`}\n`);
    return 0;
  }
  const isWide = values.output === 'wide';
  const headers = [
    'NAME',
    'SHORTNAMES',
    'APIVERSION',
    'NAMESPACED',
    'KIND',
    ...(isWide ? ['VERBS', 'CATEGORIES'] : []),
  ];
  const rows = sorted.map((mapping) => [
    mapping.resource,
    mapping.shortNames.join(','),
    groupVersion(mapping),
    String(mapping.namespaced),
    mapping.kind,
    ...(isWide ? [mapping.verbs.join(','), mapping.categories.join(',')] : []),
  ]);
  context.print(new TableLayout().render(values['no-headers'] ? rows : [headers, ...rows]));
  return 0;
}

function isWanted(context: KubectlContext, values: Values, mapping: Mapping): boolean {
  if (context.given.has('api-group') && mapping.group !== values['api-group']) return false;
  if (context.given.has('namespaced') && mapping.namespaced !== values.namespaced) return false;
  if (!values.verbs.every((verb) => mapping.verbs.includes(verb))) return false;
  return values.categories.every((category) => mapping.categories.includes(category));
}

function compare(a: Mapping, b: Mapping, by: string): number {
  const keys =
    by === 'kind'
      ? [a.kind, b.kind]
      : by === 'name'
        ? [a.resource, b.resource]
        : [a.group + a.resource, b.group + b.resource];
  const [left = '', right = ''] = keys;
  if (by === '' && a.group !== b.group) return a.group < b.group ? -1 : 1;
  if (left !== right) return left < right ? -1 : 1;
  return a.group < b.group ? -1 : 1;
}

/** Runs `api-versions`; resolves to its exit code. */
export async function apiVersions(context: KubectlContext, _: unknown, args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new UsageError(`error: unexpected arguments: [${args.join(' ')}]`);
  const versions = new Set((await context.discovery.mappings()).map(groupVersion));
  context.print(
    [...versions]
      .sort()
      .map((one) => `${one}\n`)
      .join(''),
  );
  return 0;
}
