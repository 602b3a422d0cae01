/**
 * Which requests the rules of a flow schema match. A user's part of a schema is found out once for the user: what is left to ask of each request is its verb
 * and what it is about.
 * Upstream counterpart: apiserver `util/flowcontrol/rule.go`.
 */
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from '#pkg/api/types/flowcontrol-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { RequestInfo } from '#pkg/apiserver/request-info.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';

/** Whether a request is meant. */
export type RequestMatcher = (info: RequestInfo) => boolean;

/** The rules of a schema whose subjects a user is; undefined where there are none. */
export function matcherFor(schema: Given<FlowSchema>, user: UserInfo): RequestMatcher | undefined {
  const matchers = (schema.spec?.rules ?? [])
    .filter(({ subjects }) => subjects?.some((subject) => isSubject(user, subject)) === true)
    .map(matcherOf);
  if (matchers.length === 0) return undefined;
  const [only] = matchers;
  if (matchers.length === 1) return only;
  return (info) => matchers.some((matches) => matches(info));
}

function isSubject(user: UserInfo, { kind, user: named, group, serviceAccount }: Given<Subject>): boolean {
  switch (kind) {
    case 'User':
      return named !== undefined && (named.name === '*' || named.name === user.name);
    case 'Group':
      return group !== undefined && (group.name === '*' || user.groups.includes(group.name ?? ''));
    case 'ServiceAccount': {
      if (serviceAccount === undefined) return false;
      const { namespace = '', name = '' } = serviceAccount;
      const prefix = `system:serviceaccount:${namespace}:`;
      return name === '*' ? user.name.startsWith(prefix) : user.name === prefix + name;
    }
    default:
      return false;
  }
}

function matcherOf({ resourceRules, nonResourceRules }: Given<PolicyRulesWithSubjects>): RequestMatcher {
  const resources = (resourceRules ?? []).map(resourceMatcher);
  const others = (nonResourceRules ?? []).map(pathMatcher);
  return (info) => {
    // Most have one rule of each sort.
    for (const matches of info.isResource ? resources : others) if (matches(info)) return true;
    return false;
  };
}

/** Whether a text is in a list; one that has nothing but the wildcard has all. */
function listed(list: readonly string[] | null | undefined): (text: string) => boolean {
  if (list?.length === 1 && list[0] === '*') return () => true;
  const texts = new Set(list ?? []);
  return (text) => texts.has(text);
}

function resourceMatcher(rule: Given<ResourcePolicyRule>): RequestMatcher {
  const [verbs, groups, resources] = [listed(rule.verbs), listed(rule.apiGroups), listed(rule.resources)];
  const namespaces = listed(rule.namespaces);
  const ofCluster = rule.clusterScope === true;
  return ({ verb, group, resource, subresource, namespace }) =>
    verbs(verb) &&
    resources(subresource === '' ? resource : `${resource}/${subresource}`) &&
    groups(group) &&
    (namespace === '' ? ofCluster : namespaces(namespace));
}

function pathMatcher(rule: Given<NonResourcePolicyRule>): RequestMatcher {
  const verbs = listed(rule.verbs);
  const paths = (rule.nonResourceURLs ?? []).map((path) => {
    const prefix = path.endsWith('*') ? path.slice(0, -1) : path;
    return { path, prefix: prefix.endsWith('/') ? prefix : `${prefix}/` };
  });
  return (info) =>
    verbs(info.verb) &&
    paths.some(({ path, prefix }) => path === '*' || path === info.path || info.path.startsWith(prefix));
}
