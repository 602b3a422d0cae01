/**
 * Which requests are audited, and how closely: the first rule that fits a request says so. Rules are made ready once; a decision is a few look-ups
 * and makes nothing. What a policy file may say is checked where it is read.
 * Upstream counterpart: apiserver `audit/policy/checker.go`.
 */
import type { RequestInfo } from '../request-info.ts';
import type { UserInfo } from '../user-info.ts';

/** How much is said of a request, each more than the one before. */
export const auditLevels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;

/** How much is said of a request. */
export type AuditLevel = (typeof auditLevels)[number];

/** The points of a request at which an event is made. */
export const auditStages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;

/** A point of a request at which an event is made. */
export type AuditStage = (typeof auditStages)[number];

/** A rule as policy files have it. Source: `audit.k8s.io/v1` `PolicyRule`. */
export interface AuditRule {
  readonly level: AuditLevel;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly {
    readonly group?: string;
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly AuditStage[];
  readonly omitManagedFields?: boolean;
}

/** A policy as its file has it. Source: `audit.k8s.io/v1` `Policy`. */
export interface AuditPolicy {
  readonly rules: readonly AuditRule[];
  readonly omitStages?: readonly AuditStage[];
  readonly omitManagedFields?: boolean;
}

/** What is to be said of one request. */
export interface AuditDecision {
  readonly level: AuditLevel;
  readonly omitStages: ReadonlySet<AuditStage>;
  readonly omitManagedFields: boolean;
}

/** Decides of one request; `user` is undefined where nobody knows who asks. */
export type AuditDecider = (info: RequestInfo, user: UserInfo | undefined) => AuditDecision;

type Fits = (info: RequestInfo, user: UserInfo | undefined) => boolean;

/** Makes a policy ready. What no rule fits is not audited. */
export function auditDecider({ rules, omitStages = [], omitManagedFields = false }: AuditPolicy): AuditDecider {
  const ready = rules.map((rule) => ({
    fits: fitsRule(rule),
    decision: {
      level: rule.level,
      omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
      omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
    },
  }));
  const otherwise: AuditDecision = { level: 'None', omitStages: new Set(omitStages), omitManagedFields };
  return (info, user) => {
    for (const { fits, decision } of ready) if (fits(info, user)) return decision;
    return otherwise;
  };
}

function fitsRule({ users, userGroups, verbs, resources, namespaces, nonResourceURLs }: AuditRule): Fits {
  const all: Fits[] = [];
  const given = (values: readonly string[] | undefined): ReadonlySet<string> | undefined =>
    values?.length ? new Set(values) : undefined;
  const names = given(users);
  const groups = given(userGroups);
  const asked = given(verbs);
  const places = given(namespaces);
  const ofResources = Boolean(places ?? resources?.length);
  if (names) all.push((_, user) => user !== undefined && names.has(user.name));
  if (groups) all.push((_, user) => user?.groups.some((group) => groups.has(group)) === true);
  if (asked) all.push(({ verb }) => asked.has(verb));
  if (ofResources) all.push(({ isResource }) => isResource);
  if (places) all.push(({ namespace }) => places.has(namespace));
  if (resources?.length) all.push((info) => resources.some((one) => fitsResources(one, info)));
  if (!ofResources && nonResourceURLs?.length)
    all.push(({ isResource, path }) => !isResource && nonResourceURLs.some((one) => fitsPath(one, path)));
  const [only, second] = all;
  if (only === undefined) return () => true;
  return second === undefined ? only : (info, user) => all.every((fits) => fits(info, user));
}

type GroupResources = NonNullable<AuditRule['resources']>[number];

function fitsResources({ group = '', resources = [], resourceNames = [] }: GroupResources, info: RequestInfo): boolean {
  if (group !== '*' && group !== info.group) return false;
  if (resources.length === 0) return true;
  if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
  return resources.some((pattern) => fitsResource(pattern, info));
}

/** Patterns name a resource, one subresource of it, all of it (`pods` with a star after the slash), a subresource of all (a star before it), or everything. */
function fitsResource(pattern: string, { resource, subresource }: RequestInfo): boolean {
  if (pattern === '*') return true;
  const slash = pattern.indexOf('/');
  if (slash < 0) return subresource === '' && pattern === resource;
  const wanted = pattern.slice(slash + 1);
  const of = pattern.slice(0, slash);
  if (wanted === '*' && of === resource) return true;
  return subresource !== '' && wanted === subresource && (of === '*' || of === resource);
}

function fitsPath(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, ''));
}
