/**
 * What one rule of a role allows, and whether rules cover others. Pure. Rules come as they are stored: a field that nobody set may be missing or null.
 * Source: `pkg/apis/rbac/v1/evaluation_helpers.go`, `k8s.io/component-helpers/auth/rbac/validation`.
 */
import type { PolicyRule as StoredRule } from '#pkg/api/types/rbac-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** A rule of a role, with nothing missing. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

/** What a rule is asked about. */
export interface Asked {
  readonly verb: string;
  readonly group: string;
  /** `''` for what is not about a resource. */
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly path: string;
}

const all = '*';
const none: readonly string[] = [];

/** The rules of a stored role. */
export function rulesOf(role: { readonly rules?: readonly Given<StoredRule>[] | null }): readonly PolicyRule[] {
  return (role.rules ?? []).map(ruleOf);
}

function ruleOf(stored: Given<StoredRule>): PolicyRule {
  return {
    verbs: stored.verbs ?? none,
    apiGroups: stored.apiGroups ?? none,
    resources: stored.resources ?? none,
    resourceNames: stored.resourceNames ?? none,
    nonResourceURLs: stored.nonResourceURLs ?? none,
  };
}

/** Whether a rule allows what is asked. */
export function ruleAllows(rule: PolicyRule, asked: Asked): boolean {
  if (!has(rule.verbs, asked.verb)) return false;
  if (asked.resource === '') return rule.nonResourceURLs.some((url) => urlCovers(url, asked.path));
  if (!has(rule.apiGroups, asked.group) || !resourceMatches(rule.resources, asked)) return false;
  return rule.resourceNames.length === 0 || rule.resourceNames.includes(asked.name);
}

function has(set: readonly string[], item: string): boolean {
  return set.includes(item) || set.includes(all);
}

function resourceMatches(resources: readonly string[], { resource, subresource }: Asked): boolean {
  if (resources.includes(all)) return true;
  if (subresource === '') return resources.includes(resource);
  return resources.includes(`${resource}/${subresource}`) || resources.includes(`*/${subresource}`);
}

/** Whether an URL of a rule, which may end in a star, covers a path, or another such URL. */
function urlCovers(url: string, path: string): boolean {
  return url === path || (url.endsWith(all) && path.startsWith(url.replace(/\*+$/, '')));
}

/** Which of `wanted` the rules of `owned` do not cover, each with at most one verb, group, resource and name. Empty: they cover them all. */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): readonly PolicyRule[] {
  return wanted.flatMap(singleRules).filter((single) => !owned.some((rule) => covers(rule, single)));
}

function singleRules(rule: PolicyRule): readonly PolicyRule[] {
  const single = { verbs: none, apiGroups: none, resources: none, resourceNames: none, nonResourceURLs: none };
  const names = rule.resourceNames.length === 0 ? [none] : rule.resourceNames.map((name) => [name]);
  const found: PolicyRule[] = [];
  for (const group of rule.apiGroups)
    for (const resource of rule.resources)
      for (const verb of rule.verbs)
        for (const resourceNames of names)
          found.push({ ...single, verbs: [verb], apiGroups: [group], resources: [resource], resourceNames });
  for (const url of rule.nonResourceURLs)
    for (const verb of rule.verbs) found.push({ ...single, verbs: [verb], nonResourceURLs: [url] });
  return found;
}

function covers(owner: PolicyRule, single: PolicyRule): boolean {
  const includesAll = (set: readonly string[], items: readonly string[]): boolean =>
    set.includes(all) || items.every((item) => set.includes(item));
  const hasResource = (path: string): boolean => {
    const slash = path.indexOf('/');
    return owner.resources.includes(path) || (slash >= 0 && owner.resources.includes(`*${path.slice(slash)}`));
  };
  return (
    includesAll(owner.verbs, single.verbs) &&
    includesAll(owner.apiGroups, single.apiGroups) &&
    (owner.resources.includes(all) || single.resources.every(hasResource)) &&
    (owner.resourceNames.length === 0 ||
      (single.resourceNames.length > 0 && single.resourceNames.every((name) => owner.resourceNames.includes(name)))) &&
    single.nonResourceURLs.every((path) => owner.nonResourceURLs.some((url) => urlCovers(url, path)))
  );
}

/** Single rules with the verbs of one resource, or of one object, together, as lines in order. Source: `CompactRules`, `CompactString`. */
export function describeRules(singles: readonly PolicyRule[]): readonly string[] {
  const together = new Map<string, PolicyRule>();
  for (const rule of singles) {
    const isSimple = rule.nonResourceURLs.length === 0;
    const key = JSON.stringify(isSimple ? [rule.apiGroups, rule.resources, rule.resourceNames] : rule);
    const known = together.get(key);
    together.set(key, known === undefined ? rule : { ...known, verbs: [...known.verbs, ...rule.verbs] });
  }
  return [...new Set([...together.values()].map(textOf))].sort();
}

function textOf(rule: PolicyRule): string {
  const parts: readonly [string, readonly string[]][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ];
  const said = parts.filter(([, values]) => values.length > 0).map(([name, values]) => `${name}:${quotedList(values)}`);
  return `{${said.join(', ')}}`;
}

/** A list of strings as Go prints it with `%q`. */
export function quotedList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
