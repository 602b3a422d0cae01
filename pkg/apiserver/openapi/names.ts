/** How operations, tags and parameters are called. Source: the published OpenAPI of Kubernetes. */
import { kindFact, typeFacts } from '#pkg/api/facts.ts';
import type { GroupVersionKind } from '#pkg/apimachinery/object.ts';

/** The types that parameters of queries have. */
export type ParameterType = 'boolean' | 'integer' | 'string';

/** Types of parameters by their names. */
export type Parameters = Readonly<Record<string, ParameterType>>;

/** The fields of a kind of options, as parameters; lists are given by their items. */
export function fieldsOf(kind: GroupVersionKind): Parameters {
  const fields = typeFacts[kindFact(kind)?.type ?? '']?.fields ?? [];
  return Object.fromEntries(
    fields.flatMap(({ name, t }) =>
      name === undefined ? [] : [[name, t === 'boolean' ? 'boolean' : /^int/.test(t) ? 'integer' : 'string']],
    ),
  );
}

/** The text with its first letter in upper case. */
export function capital(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
}

/** `core`, `apps`, `rbacAuthorization`: a group in the names of operations and tags. */
export function groupName(group: string): string {
  const [first = '', ...rest] = (group === '' ? 'core' : group.replace(/\.k8s\.io$/, '')).split('.');
  return first + rest.map(capital).join('');
}

/** `core_v1`, `apps_v1`. */
export function tagOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return `${groupName(group)}_${version}`;
}

/** `CoreV1`, `AppsV1`: the middle of operation names. */
export function idOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return capital(groupName(group)) + capital(version);
}
